//! A private server from start to end.

use anyhow::Result;
use syncline_demo::{Access, Cluster, ClusterOptions, Durability};

fn quick() -> ClusterOptions {
    ClusterOptions { durability: Durability::None, ..ClusterOptions::default() }
}

async fn ask(cluster: &Cluster, question: &str) -> Result<String> {
    let client = cluster.connect("postgres").await?;
    Ok(client.query_one(question, &[]).await?.get(0))
}

#[tokio::test]
async fn starts_stops_and_leaves_nothing_behind() -> Result<()> {
    let cluster = Cluster::start(quick())?;
    assert_eq!(ask(&cluster, "SHOW wal_level").await?, "logical");
    assert_eq!(ask(&cluster, "SHOW listen_addresses").await?, "");
    assert_eq!(ask(&cluster, "SHOW lc_collate").await?, "C.UTF-8");
    let directory = cluster.directory().to_owned();
    let lock = std::fs::read_to_string(directory.join("data/postmaster.pid"))?;
    let process = lock.lines().next().expect("the server's process id").to_owned();
    drop(cluster);
    assert!(!directory.exists(), "the directory is gone");
    assert!(!std::path::Path::new("/proc").join(process).exists(), "the process is gone");
    Ok(())
}

#[tokio::test]
async fn committed_rows_survive_a_kill() -> Result<()> {
    let mut cluster = Cluster::start(ClusterOptions::default())?;
    let client = cluster.connect("postgres").await?;
    client.batch_execute("CREATE TABLE kept (note text); INSERT INTO kept VALUES ('x')").await?;
    cluster.kill()?;
    assert!(cluster.connect("postgres").await.is_err(), "the server is down");
    cluster.resume()?;
    assert_eq!(ask(&cluster, "SELECT note FROM kept").await?, "x");
    cluster.restart()?;
    assert_eq!(ask(&cluster, "SELECT note FROM kept").await?, "x");
    Ok(())
}

#[tokio::test]
async fn asks_for_the_password_on_socket_and_port() -> Result<()> {
    let options = ClusterOptions {
        access: Access::Loopback,
        password: Some("läng 'and' odd".into()),
        ..quick()
    };
    let cluster = Cluster::start(options)?;
    assert_eq!(ask(&cluster, "SHOW password_encryption").await?, "scram-sha-256");
    for host in [cluster.host(), "127.0.0.1"] {
        let line = format!("host={host} port={} user=postgres dbname=postgres", cluster.port());
        let refused = tokio_postgres::connect(&line, tokio_postgres::NoTls).await;
        assert!(refused.is_err(), "{host} let us in without a password");
    }
    Ok(())
}

#[test]
fn refuses_a_directory_with_anything_in_it() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("PG_VERSION"), "15\n").unwrap();
    let options = ClusterOptions { directory: Some(directory.path().to_owned()), ..quick() };
    let refusal = Cluster::start(options).unwrap_err().to_string();
    assert!(refusal.contains("is not empty"), "{refusal}");
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1, "nothing was added");
}

#[tokio::test]
async fn a_long_directory_gets_its_socket_elsewhere() -> Result<()> {
    let parent = tempfile::Builder::new()
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .tempdir()?;
    let long = parent.path().join("d".repeat(100));
    let cluster = Cluster::start(ClusterOptions { directory: Some(long.clone()), ..quick() })?;
    assert!(cluster.host().len() < 60, "{}", cluster.host());
    assert_eq!(cluster.directory(), long.canonicalize()?);
    assert_eq!(ask(&cluster, "SHOW data_directory").await?, format!("{}/data", long.display()));
    Ok(())
}

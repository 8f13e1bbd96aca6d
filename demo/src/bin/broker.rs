//! A private Kafka broker, to try things on: `./dev kafka`.

#![expect(clippy::disallowed_macros, reason = "what this program is for is to be read")]

use anyhow::Result;
use syncline_demo::Broker;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let broker = Broker::start()?;
    println!("Kafka listens on {}; Ctrl-C ends it", broker.address());
    println!("its files are in {}", broker.directory().display());
    tokio::signal::ctrl_c().await?;
    Ok(())
}

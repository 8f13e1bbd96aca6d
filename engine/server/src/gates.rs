//! Mass changes that wait for a person, written down beside the conflicts: one for each lane, table and
//! kind, of the kind `mass_change`.

use crate::clock::SystemClock;
use crate::decisions::{Evidence, Store};
use async_trait::async_trait;
use std::sync::Arc;
use syncline_control::{
    Change, ClaimView, Conflict, ConflictChange, ConflictKind, Control, Filter, Raise, State,
};
use syncline_core::{Digest, Gates, MassChange, Offset, Result};
use syncline_runtime::Clock as _;

/// What a decision says that lets a mass change pass.
pub(crate) const LET_PASS: &str = r#"{"let":"pass"}"#;

/// How many gates of one table there can be: one for each lane that writes it.
const GATES_MAX: u32 = 500;

/// Asks people by the control store.
pub(crate) struct Gatekeeper {
    store: Arc<Store>,
}

impl Gatekeeper {
    /// By a store.
    pub(crate) fn new(store: Arc<Store>) -> Self {
        Self { store }
    }
}

#[async_trait]
impl Gates for Gatekeeper {
    async fn lets(&self, change: &MassChange) -> Result<bool> {
        let control = self.store.open().await?;
        if let Some(gate) = gate(control, change).await?
            && gate.state == State::Decided
            && change.from < until(&gate)
        {
            return Ok(true);
        }
        control.apply(&[asked(change)], SystemClock.now()).await?;
        Ok(false)
    }
}

/// The gate where this waits, or another one waited before it.
async fn gate(control: &Control, change: &MassChange) -> Result<Option<Conflict>> {
    let filter = Filter {
        entity: Some(change.table.to_string()),
        subject: Some(change.kind.as_str().to_owned()),
        kind: Some(ConflictKind::MassChange),
        limit: GATES_MAX,
        ..Filter::default()
    };
    let gates = control.list(&filter).await?;
    Ok(gates.into_iter().find(|gate| gate.key == key(change)))
}

fn key(change: &MassChange) -> String {
    serde_json::to_string(&[change.reader.as_str()]).expect("a text is JSON")
}

/// Up to where what was asked about goes.
fn until(gate: &Conflict) -> Offset {
    let evidence = Evidence::parse(&gate.evidence);
    Offset(evidence.and_then(|it| it.words.parse().ok()).unwrap_or_default())
}

/// The question: as long as it waits the same, whatever more there is behind it.
fn asked(change: &MassChange) -> ConflictChange {
    let MassChange { reader, table, kind, rows, of, mapping, keys, from, until } = change;
    let question = Digest::default()
        .part(reader.as_str().as_bytes())
        .part(kind.as_str().as_bytes())
        .part(&from.0.to_le_bytes())
        .to_string();
    let claim = ClaimView {
        source: table.system().map_or_else(String::new, ToString::to_string),
        mapping: mapping.clone(),
        record: format!("[{}]", keys.join(",")),
        value: Some(format!("{rows} of {of} rows")),
        since: None,
        uncertainty_micros: 0,
    };
    ConflictChange {
        entity: table.to_string(),
        key: key(change),
        subject: kind.as_str().to_owned(),
        state: Change::Raised(Raise {
            kind: ConflictKind::MassChange,
            evidence: Evidence { words: &until.0.to_string(), question: &question }.to_string(),
            claims: vec![claim],
            in_force: None,
            policy: format!("many {} of one table at once wait for a person", kind.as_str()),
            policy_revision: String::new(),
        }),
    }
}

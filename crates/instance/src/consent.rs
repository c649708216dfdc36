//! A primary that cannot renew its lease asks the managers of its replicas whether they know of a later term.
//!
//! ```text
//!   replicas of the server ──GET /v1/term──▶ who they are ──▶ the lease names them, with the next renewal
//!   no renewal ──▶ GET /v1/term of all that the lease names ──▶ consent, refusal, or not known
//! ```
//!
//! Guarantees: who answers has a certificate for this cluster. An answer counts for the pod that the lease names and for no
//! other of the same name. A peer that does not answer in time has not consented.
//!
//! Left to others: what follows from it (the state machine of the manager).

use crate::{
    client::{Addresses, CallError, InstanceClient, http_without_identity},
    instance::Instance,
    settings::PeerSettings,
    status::TermAnswer,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, SocketAddr},
    path::Path,
    sync::Arc,
    time::Duration,
};
use tokio::{task::JoinSet, time::timeout};
use valkeeper_failover::{
    Term,
    manager::{ConsentAnswer, Input},
    protocol::{Peer, Peers, Role},
};

/// How often the primary looks which replicas it has.
const INTERVAL: Duration = Duration::from_secs(1);
/// Longest wait for a replica that is only looked for.
const OBSERVE_TIMEOUT: Duration = Duration::from_secs(1);
/// A replica that is not seen so often is named no more.
const MAX_MISSED_OBSERVATIONS: u32 = 4;
/// A cluster has fewer.
const MAX_PEERS: usize = 16;

/// Why a peer has not answered.
#[derive(Debug, thiserror::Error)]
enum AskError {
    #[error("cannot read {0}: {1}")]
    Unreadable(String, std::io::Error),
    #[error(transparent)]
    Http(#[from] reqwest::Error),
    #[error(transparent)]
    Call(#[from] CallError),
    #[error("no answer in time")]
    TimedOut,
}

/// Looks for replicas for as long as the manager runs.
pub(crate) async fn watch(instance: Arc<Instance>) {
    loop {
        match instance.peer_settings() {
            Some(settings) if matches!(instance.manager().role(), Role::Primary(_)) => {
                // What is not known changes nothing.
                if let Some(found) = observe_replicas(&instance, &settings).await {
                    let peers = {
                        let mut replicas = instance.replicas();
                        replicas.note(found);
                        replicas.peers()
                    };
                    let _ = instance.input(Input::Peers(peers));
                }
            }
            _ => {
                *instance.replicas() = Replicas::default();
                let _ = instance.input(Input::Peers(Peers::new()));
            }
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

/// The replicas of a primary, through observations that miss some of them: where each is, and how often it was missed since.
#[derive(Debug, Default)]
pub(crate) struct Replicas(BTreeMap<Peer, (IpAddr, u32)>);

impl Replicas {
    /// Records an observation. One that is missed may still be named by the lease, and is where it was unless another pod has
    /// its name.
    fn note(&mut self, found: BTreeMap<Peer, IpAddr>) {
        self.0.retain(|peer, (_, misses)| {
            *misses += 1;
            !found.keys().any(|other| other.name == peer.name)
        });
        self.0.extend(found.into_iter().map(|(peer, address)| (peer, (address, 0))));
    }

    fn address(&self, peer: &Peer) -> Option<IpAddr> {
        self.0.get(peer).map(|(address, _)| *address)
    }

    /// Those to name, which were not missed several times: naming more is safe, naming none stops the primary.
    fn peers(&self) -> Peers {
        let seen = self.0.iter().filter(|(_, (_, misses))| *misses < MAX_MISSED_OBSERVATIONS);
        seen.map(|(peer, _)| peer.clone()).collect()
    }
}

/// The replicas whose managers answer, and where they are; none while the server does not say which it has.
async fn observe_replicas(instance: &Instance, settings: &PeerSettings) -> Option<BTreeMap<Peer, IpAddr>> {
    let info = instance.prober.ask_for(&["replication"]).await.ok()?;
    let replicas = info.replication().replicas.into_iter().filter(|replica| replica.is_online);
    let addresses: BTreeSet<IpAddr> = replicas.filter_map(|replica| replica.host.parse().ok()).collect();
    let mut asking = JoinSet::new();
    for address in addresses.into_iter().take(MAX_PEERS) {
        let (settings, authority) = (settings.clone(), instance.authority_file().map(Path::to_owned));
        asking.spawn(async move {
            (address, ask(&settings, authority.as_deref(), address, OBSERVE_TIMEOUT).await)
        });
    }
    // Not every replica is an instance: a backup reads the data as one. Whoever may write can claim any address.
    let own = Peer::from(instance.manager().identity());
    let answers = asking.join_all().await.into_iter();
    let found = answers.filter_map(|(address, answer)| Some((Peer::from(&answer.ok()?.identity), address)));
    Some(found.filter(|(peer, _)| *peer != own).collect())
}

/// Asks all peers concurrently and reports the result to the manager.
pub(crate) async fn ask_all(instance: &Instance, request: u64, term: Term, peers: Peers, patience: Duration) {
    let settings = instance.peer_settings();
    let mut asking = JoinSet::new();
    for peer in peers {
        let (settings, address) = (settings.clone(), instance.replicas().address(&peer));
        let authority = instance.authority_file().map(Path::to_owned);
        asking.spawn(async move {
            let (Some(settings), Some(address)) = (settings, address) else {
                return ConsentAnswer::Unknown;
            };
            let answer = ask(&settings, authority.as_deref(), address, patience).await;
            answer.map_or_else(
                |error| {
                    tracing::warn!(%error, peer = %peer.name, "cannot read term of peer");
                    ConsentAnswer::Unknown
                },
                |answer| evaluate_answer(&peer, term, &answer),
            )
        });
    }
    let answer = combine_answers(&asking.join_all().await);
    tracing::debug!(?answer, term = term.0, "requested consent of peers");
    let _ = instance.input(Input::Consent { request, answer });
}

fn evaluate_answer(peer: &Peer, term: Term, answer: &TermAnswer) -> ConsentAnswer {
    // One that has not seen this term, which its primary is in, has lost what it stored.
    if Peer::from(&answer.identity) != *peer || answer.seen < term {
        ConsentAnswer::Unknown
    } else if answer.seen > term || answer.reigned >= term {
        ConsentAnswer::Refused
    } else {
        ConsentAnswer::Given
    }
}

/// One refusal is enough; consent is that of all.
fn combine_answers(answers: &[ConsentAnswer]) -> ConsentAnswer {
    let is_any = |wanted: ConsentAnswer| answers.contains(&wanted);
    match () {
        () if is_any(ConsentAnswer::Refused) => ConsentAnswer::Refused,
        () if is_any(ConsentAnswer::Unknown) || answers.is_empty() => ConsentAnswer::Unknown,
        () => ConsentAnswer::Given,
    }
}

/// Which term the instance at this address has seen.
async fn ask(
    settings: &PeerSettings,
    authority: Option<&Path>,
    address: IpAddr,
    patience: Duration,
) -> Result<TermAnswer, AskError> {
    let (scheme, http) = match authority {
        None => ("http", reqwest::Client::builder().no_proxy().build()?),
        Some(path) => {
            let authority = tokio::fs::read_to_string(path).await;
            let authority =
                authority.map_err(|error| AskError::Unreadable(path.display().to_string(), error))?;
            let addresses = Addresses::default();
            addresses.replace(BTreeMap::from([(settings.host.clone(), address)]));
            ("https", http_without_identity(addresses, &authority)?)
        }
    };
    let host = match authority {
        Some(_) => format!("{}:{}", settings.host, settings.port),
        None => SocketAddr::new(address, settings.port).to_string(),
    };
    let client = InstanceClient::new(http, format!("{scheme}://{host}"));
    Ok(timeout(patience, client.term()).await.map_err(|_| AskError::TimedOut)??)
}

#[cfg(test)]
mod tests {
    use super::*;
    use valkeeper_failover::Identity;

    #[test]
    fn consent_is_that_of_all_and_a_refusal_that_of_one() {
        use ConsentAnswer::{Given, Refused, Unknown};
        for (answers, expected) in [
            (vec![Given, Given], Given),
            (vec![Given, Unknown], Unknown),
            (vec![Unknown, Refused, Given], Refused),
            (vec![], Unknown),
        ] {
            assert_eq!(combine_answers(&answers), expected, "{answers:?}");
        }
    }

    #[test]
    fn replica_is_named_until_it_is_missed_several_times() {
        let peer = |name: &str, pod: &str| Peer { name: name.into(), pod: pod.into() };
        let found = |peers: &[(&str, &str)]| {
            peers.iter().map(|(name, pod)| (peer(name, pod), IpAddr::from([10, 0, 0, 1]))).collect()
        };
        let mut replicas = Replicas::default();
        replicas.note(found(&[("a", "1"), ("b", "2")]));
        for _ in 0..MAX_MISSED_OBSERVATIONS - 1 {
            replicas.note(found(&[("b", "2")]));
            assert_eq!(replicas.peers(), Peers::from([peer("a", "1"), peer("b", "2")]));
        }
        replicas.note(found(&[("b", "2")]));
        assert_eq!(replicas.peers(), Peers::from([peer("b", "2")]));
        replicas.note(found(&[("b", "another")]));
        assert_eq!(replicas.peers(), Peers::from([peer("b", "another")]), "a name has one pod");
    }

    #[test]
    fn answer_counts_for_the_pod_that_is_named() {
        let peer = Peer { name: "cache-1".into(), pod: "u".into() };
        let answer = |pod: &str, seen: u64| TermAnswer {
            identity: Identity { name: "cache-1".into(), pod: pod.into(), boot: 3 },
            seen: Term(seen),
            reigned: Term(seen - 1),
        };
        let judge = |pod: &str, seen: u64| evaluate_answer(&peer, Term(7), &answer(pod, seen));
        assert_eq!(judge("u", 7), ConsentAnswer::Given);
        assert_eq!(judge("u", 8), ConsentAnswer::Refused);
        assert_eq!(judge("v", 7), ConsentAnswer::Unknown);
        assert_eq!(judge("u", 6), ConsentAnswer::Unknown);
        let rival = TermAnswer { reigned: Term(7), ..answer("u", 7) };
        assert_eq!(evaluate_answer(&peer, Term(7), &rival), ConsentAnswer::Refused);
    }
}

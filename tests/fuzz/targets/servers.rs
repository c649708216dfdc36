//! The servers of the targets: one runtime per thread, a provider with scripted answers, the simulated provider, and
//! a Kubernetes API server that is called without a network in between.

use axum::{Router, body::Body, response::Response};
use http::Request;
use std::{
    cell::{OnceCell, RefCell},
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::runtime::{Builder, Runtime};
use tower::ServiceExt as _;
use valkeeper::provider::{Address, Client, Limits};
use valkeeper_api::crd;
use valkeeper_apiserver::{KubeOptions, KubeServer, StoredObject};
use valkeeper_testbed::provider::{ProviderOptions, ProviderServer, Unknowns};

thread_local! {
    static RUNTIME: Runtime = Builder::new_current_thread().enable_all().build().unwrap();
    static PUPPET: OnceCell<Puppet> = const { OnceCell::new() };
    static PROVIDER: RefCell<Option<(ProviderServer, usize)>> = const { RefCell::new(None) };
    static KUBERNETES: RefCell<Option<Kubernetes>> = const { RefCell::new(None) };
}

/// Answers are never longer than this.
pub(crate) const ANSWER_LIMIT: usize = 64 * 1024;
/// How many inputs one simulated provider serves.
const SERVED: usize = 200;

/// Runs `future` to its end on this thread.
pub(crate) fn wait<F: Future>(future: F) -> F::Output {
    RUNTIME.with(|runtime| runtime.block_on(future))
}

/// A client of the provider at `url`.
pub(crate) fn client(url: &str) -> Client {
    // Fails when another thread was first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let limits = Limits {
        connect_timeout: Duration::from_secs(10),
        request_timeout: Duration::from_mins(1),
        response_bytes: ANSWER_LIMIT,
        rate: 0,
    };
    Client::new(Address::parse(url, false).unwrap(), limits).unwrap()
}

/// An answer of the provider.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
}

/// A provider that answers every request with the same.
#[derive(Clone)]
pub(crate) struct Puppet {
    pub(crate) client: Client,
    answer: Arc<Mutex<Answer>>,
}

impl Puppet {
    /// The one of this thread.
    pub(crate) fn get() -> Self {
        PUPPET.with(|puppet| puppet.get_or_init(|| wait(Self::start())).clone())
    }

    async fn start() -> Self {
        let answer = Arc::new(Mutex::new(Answer::default()));
        let said = answer.clone();
        let router = Router::new().fallback(move || {
            let answer = said.lock().unwrap().clone();
            async move {
                let mut response = Response::builder().status(answer.status);
                for (name, value) in answer.headers {
                    response = response.header(name, value);
                }
                response.body(Body::from(answer.body)).unwrap()
            }
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = client(&format!("http://{}", listener.local_addr().unwrap()));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { client, answer }
    }

    /// What it answers from now on.
    pub(crate) fn answers(&self, answer: Answer) {
        *self.answer.lock().unwrap() = answer;
    }
}

/// The address of a simulated provider whose services are ready immediately. It is replaced now and then, so that it
/// does not get slower.
pub(crate) fn provider() -> String {
    PROVIDER.with_borrow_mut(|provider| {
        let used = provider.as_ref().map_or(SERVED, |(_, used)| *used);
        if used >= SERVED {
            let options = ProviderOptions {
                redis_creation_allowed: true,
                build_time: Duration::ZERO,
                log_capacity: 16,
                unknowns: Unknowns::default(),
                ..ProviderOptions::default()
            };
            *provider = Some((wait(ProviderServer::start(options)).unwrap(), 0));
        }
        let (server, used) = provider.as_mut().unwrap();
        *used += 1;
        server.url()
    })
}

/// A Kubernetes API server with our definitions and nothing else in it.
pub(crate) struct Kubernetes {
    router: Router,
    server: KubeServer,
    /// What it holds at the beginning, by key.
    first: BTreeMap<String, StoredObject>,
}

impl Kubernetes {
    /// Gives `inputs` a server that holds what they all begin with. One that can be swept is used again.
    pub(crate) fn serve(input: impl AsyncFnOnce(&Self)) {
        let server = KUBERNETES.take();
        wait(async {
            let server = match server {
                Some(server) => server,
                None => Self::start().await,
            };
            input(&server).await;
            if server.sweep().await {
                KUBERNETES.set(Some(server));
            }
        });
    }

    async fn start() -> Self {
        let mut router = Router::new();
        let server = KubeServer::start_with(KubeOptions::default(), |served| {
            router = served.clone();
            served
        });
        let mut kubernetes = Self { server: server.await.unwrap(), router, first: BTreeMap::new() };
        for definition in crd::definitions() {
            let body = serde_json::to_vec(&definition).unwrap();
            let path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
            let request = Request::post(path).header("content-type", "application/json");
            let answer = kubernetes.ask(request.body(Body::from(body)).unwrap()).await;
            assert_eq!(answer.status(), 201);
        }
        for plural in ["valkeys", "redis", "projectvpcs"] {
            kubernetes.until_served(plural).await;
        }
        kubernetes.first = kubernetes.server.content().objects;
        kubernetes
    }

    /// Definitions take effect a moment after they were created.
    async fn until_served(&self, plural: &str) {
        loop {
            let path = format!("/apis/aiven.io/v1alpha1/namespaces/default/{plural}");
            let answer = self.ask(Request::get(path).body(Body::empty()).unwrap()).await;
            if answer.status() == 200 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Deletes what an input has left, finalizers or not; whether all is as it was.
    async fn sweep(&self) -> bool {
        for key in self.server.content().objects.keys().filter(|key| !self.first.contains_key(*key)) {
            let parts: Vec<_> = key.split('/').collect();
            let [group, plural, namespace, name] = parts[..] else { return false };
            let base = match group {
                "" => "/api/v1".to_owned(),
                "aiven.io" => "/apis/aiven.io/v1alpha1".to_owned(),
                _ => return false,
            };
            let path = format!("{base}/namespaces/{namespace}/{plural}/{name}");
            let Ok(freed) = Request::patch(&path)
                .header("content-type", "application/merge-patch+json")
                .body(Body::from(r#"{"metadata":{"finalizers":null}}"#))
            else {
                return false;
            };
            self.ask(freed).await;
            self.ask(Request::delete(&path).body(Body::empty()).unwrap()).await;
        }
        self.server.content().objects == self.first
    }

    pub(crate) async fn ask(&self, request: Request<Body>) -> Response {
        self.router.clone().oneshot(request).await.unwrap()
    }
}

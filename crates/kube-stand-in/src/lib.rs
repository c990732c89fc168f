//! A small local stand-in of the Kubernetes API, for tests, figures and the
//! demo: the few reads that a canary's judge needs, answered as an API server
//! answers them, and a script of what goes wrong.
//!
//! ```text
//! World (pods, rollouts, events, logs, faults) ─► StandIn::answer   in memory
//!                                              └► Server            on loopback
//! ```
//!
//! It serves `GET` of pods, their logs, events, rollouts and as much discovery
//! as `kubectl` asks for. It does not write, watch or follow.

mod answer;
pub mod body;
pub mod fault;
pub mod log;
pub mod objects;
mod route;
mod select;
mod server;
mod status;
pub mod world;

pub use fault::{Act, Fault, Resource};
pub use log::{Line, Log};
pub use server::Server;
pub use world::{LogOf, World};

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::{Request, Response};

use body::AnswerBody;

/// Requests that are remembered: more than any test makes, and a bound for a
/// stand-in that runs for days.
pub const MAX_SEEN: usize = 20_000;

/// A request that was answered, for assertions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// What was asked for.
    pub resource: Resource,
    /// Path and query as they were sent.
    pub uri: String,
    /// The status of the answer.
    pub status: u16,
}

/// The stand-in: a [`World`] that answers requests and remembers them. Clones
/// are the same stand-in.
#[derive(Clone, Debug, Default)]
pub struct StandIn {
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug, Default)]
struct Shared {
    world: World,
    seen: VecDeque<Seen>,
    open: HashMap<Resource, Open>,
}

/// Answers of one kind that are on their way.
#[derive(Clone, Copy, Debug, Default)]
struct Open {
    now: usize,
    most: usize,
}

impl StandIn {
    /// A stand-in of this world.
    #[must_use]
    pub fn new(world: World) -> Self {
        let stand_in = Self::default();
        stand_in.lock().world = world;
        stand_in
    }

    /// Changes the world between requests.
    pub fn change<T>(&self, change: impl FnOnce(&mut World) -> T) -> T {
        change(&mut self.lock().world)
    }

    /// All requests so far, in the order in which they came; of very many the
    /// newest.
    #[must_use]
    pub fn seen(&self) -> Vec<Seen> {
        self.lock().seen.iter().cloned().collect()
    }

    /// The most answers of this kind that were on their way at the same time.
    #[must_use]
    pub fn most_at_once(&self, resource: Resource) -> usize {
        self.lock()
            .open
            .get(&resource)
            .copied()
            .unwrap_or_default()
            .most
    }

    /// Answers of this kind that are on their way now.
    #[must_use]
    pub fn open_now(&self, resource: Resource) -> usize {
        self.lock()
            .open
            .get(&resource)
            .copied()
            .unwrap_or_default()
            .now
    }

    /// Answers one request, unless the script says never to: the body of a log
    /// is generated as it is read.
    pub fn answer<B>(
        &self,
        request: &Request<B>,
    ) -> impl Future<Output = Response<AnswerBody>> + Send + use<B> {
        let response = self.answer_now(request);
        async move {
            if response.extensions().get::<answer::Never>().is_some() {
                // Holding the answer, which counts as being on its way.
                std::future::pending::<()>().await;
            }
            response
        }
    }

    fn answer_now<B>(&self, request: &Request<B>) -> Response<AnswerBody> {
        let mut shared = self.lock();
        let resource = route::resource(request.uri().path());
        let mut response = answer::answer(&mut shared.world, request);
        if shared.seen.len() == MAX_SEEN {
            shared.seen.pop_front();
        }
        shared.seen.push_back(Seen {
            resource,
            uri: request.uri().to_string(),
            status: response.status().as_u16(),
        });
        let open = shared.open.entry(resource).or_default();
        open.now += 1;
        open.most = open.most.max(open.now);
        drop(shared);
        let stand_in = self.clone();
        response.body_mut().when_dropped(move || {
            if let Some(open) = stand_in.lock().open.get_mut(&resource) {
                open.now -= 1;
            }
        });
        response
    }

    /// Serves it on loopback, on a free port, until the server is dropped.
    ///
    /// # Errors
    ///
    /// When no port can be bound.
    pub async fn serve(&self) -> std::io::Result<Server> {
        Server::start(self.clone()).await
    }

    /// A test that panicked while it changed the world has failed already.
    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

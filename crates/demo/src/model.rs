//! The model beside the judge: none, a scripted one that can be cut off, or a
//! real one.

use std::net::{Ipv4Addr, SocketAddr};

use model_stand_in::{Answer, Options, Script, Server, StandIn};

use crate::error::{DemoError, Refusal};
use crate::state::ModelState;

/// What the scripted model is called: the name sends requests Gemini's way.
const SCRIPTED_NAME: &str = "gemini-2.5-flash";

/// The scripted model's key: no credential of anyone.
const SCRIPTED_KEY: &str = "scripted";

/// Which model is asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ModelChoice {
    /// None: the judge decides alone.
    #[default]
    None,
    /// A scripted one on this machine that agrees with the judge.
    Scripted,
    /// A real one of this name, with the keys of the environment.
    Real(String),
}

/// The model, as far as it is ours.
#[derive(Debug)]
pub(crate) enum Model {
    None,
    Scripted(Scripted),
    Real(String),
}

/// A scripted model that listens, or that was cut off.
#[derive(Debug)]
pub(crate) struct Scripted {
    address: SocketAddr,
    server: Option<Server>,
    obeys: bool,
}

impl Model {
    /// A scripted one repeats the judge at first.
    pub(crate) async fn start(choice: &ModelChoice) -> Result<Self, DemoError> {
        Ok(match choice {
            ModelChoice::None => Self::None,
            ModelChoice::Real(name) => Self::Real(name.clone()),
            ModelChoice::Scripted => {
                let free = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
                let server = serve(free, false).await.map_err(DemoError::Listen)?;
                Self::Scripted(Scripted {
                    address: server.address(),
                    server: Some(server),
                    obeys: false,
                })
            }
        })
    }

    /// The name that templates give.
    pub(crate) fn name(&self) -> Option<String> {
        match self {
            Self::None => None,
            Self::Scripted(_) => Some(SCRIPTED_NAME.to_owned()),
            Self::Real(name) => Some(name.clone()),
        }
    }

    /// Where it is, and its key, where it is ours.
    pub(crate) fn place(&self) -> Option<(String, &'static str)> {
        match self {
            Self::Scripted(own) => Some((format!("http://{}", own.address), SCRIPTED_KEY)),
            Self::None | Self::Real(_) => None,
        }
    }

    pub(crate) fn is_real(&self) -> bool {
        matches!(self, Self::Real(_))
    }

    pub(crate) fn state(&self) -> ModelState {
        let (kind, up) = match self {
            Self::None => ("none", false),
            Self::Scripted(own) => ("scripted", own.server.is_some()),
            Self::Real(_) => ("real", true),
        };
        ModelState { kind, up }
    }

    /// Lets a scripted one follow whatever its prompt says, or repeat the judge.
    pub(crate) fn set_obeys(&mut self, obeys: bool) {
        if let Self::Scripted(own) = self {
            own.obeys = obeys;
            if let Some(server) = &own.server {
                server.change(|script| *script = Script::always(answer(obeys)));
            }
        }
    }

    /// Cuts it off, or lets it listen again.
    pub(crate) async fn set_up(&mut self, up: bool) -> Result<(), Refusal> {
        let own = match self {
            Self::None => return Err(Refusal::NoModel),
            Self::Real(_) => return Err(Refusal::RealModel),
            Self::Scripted(own) => own,
        };
        if !up {
            own.server = None;
        } else if own.server.is_none() {
            let server = serve(own.address, own.obeys).await;
            own.server = Some(server.map_err(|_| Refusal::ModelPort)?);
        }
        Ok(())
    }
}

fn answer(obeys: bool) -> Answer {
    if obeys { Answer::Obey } else { Answer::Agree }
}

async fn serve(listen: SocketAddr, obeys: bool) -> std::io::Result<Server> {
    let options = Options {
        listen,
        // A demo may run for days.
        keep_calls: false,
        ..Options::default()
    };
    StandIn::serve_with(Script::always(answer(obeys)), options).await
}

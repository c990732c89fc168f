//! The ways out of the plugin: models, the agent, Prometheus, each with the
//! credential that it may receive, and no other.
//!
//! What is made here is shared by all measurements of the process, so that its
//! limits, its cache and its connections are too. It is made when it is needed:
//! a plugin that judges alone needs none of it.

use std::sync::{Mutex, OnceLock, PoisonError};

use agent_api::{AgentUrl, Bearer, Client};
use analysis::Explainer;
use analysis::explain::{Gemini, ModelsConfig, OpenAi};
use analysis::outbound::{self, Origin};
use analysis::prometheus::{Access, Credential, Prometheus};

use crate::operator::{Credentials, Login, Operator};
use crate::words::chain;

/// The ways out, as the operator opened them.
#[derive(Debug)]
pub struct Outgoing {
    operator: Operator,
    http: OnceLock<Result<reqwest::Client, String>>,
    /// The one that was made last, with the keys that it was made with: files
    /// of keys may be replaced while the controller runs.
    explainer: Mutex<Option<(Keys, Explainer)>>,
    prometheus: Mutex<Option<(Option<Login>, Prometheus)>>,
}

type Keys = [Option<analysis::Secret>; 2];

impl Outgoing {
    /// The ways that this operator opens. Nothing is made yet.
    pub fn new(operator: Operator) -> Self {
        Self {
            operator,
            http: OnceLock::new(),
            explainer: Mutex::default(),
            prometheus: Mutex::default(),
        }
    }

    /// What the operator sets.
    pub fn operator(&self) -> &Operator {
        &self.operator
    }

    fn http(&self) -> Result<reqwest::Client, String> {
        let made = || outbound::client(&self.operator.outbound).map_err(|error| chain(&error));
        self.http.get_or_init(made).clone()
    }

    /// Who asks models, with the keys as they are now.
    ///
    /// # Errors
    /// In words that name the operator's mend.
    pub fn explainer(&self, credentials: &Credentials) -> Result<Explainer, String> {
        let keys = [
            credentials.google_api_key.clone(),
            credentials.openai_api_key.clone(),
        ];
        let mut made = self
            .explainer
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some((with, explainer)) = &*made
            && *with == keys
        {
            return Ok(explainer.clone());
        }
        let address = |url: &Option<analysis::Secret>| url.as_ref().map(|u| u.reveal().to_owned());
        let config = ModelsConfig {
            gemini: Gemini {
                base_url: address(&self.operator.gemini_url),
                key: keys[0].clone(),
            },
            openai: OpenAi {
                base_url: address(&self.operator.openai_url),
                key: keys[1].clone(),
                models: self.operator.openai_model.iter().cloned().collect(),
            },
            prices: self.operator.prices.clone(),
        };
        let explainer = Explainer::new(&config, self.http()?).map_err(|error| chain(&error))?;
        *made = Some((keys, explainer.clone()));
        Ok(explainer)
    }

    /// Who asks for metrics. Only origins that the operator listed are shown
    /// the credential.
    ///
    /// # Errors
    /// In words that name the operator's mend.
    pub fn prometheus(&self, credentials: &Credentials) -> Result<Prometheus, String> {
        let login = credentials.prometheus.clone();
        let mut made = self
            .prometheus
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some((with, prometheus)) = &*made
            && *with == login
        {
            return Ok(prometheus.clone());
        }
        let credential = login.clone().map(|login| match login {
            Login::Token(token) => Credential::Bearer(token),
            Login::Password { user, password } => Credential::Basic { user, password },
        });
        let prometheus = Prometheus::new(Access {
            listed: self.operator.prometheus_origins.clone(),
            credential,
            ..Access::new(self.http()?)
        });
        *made = Some((login, prometheus.clone()));
        Ok(prometheus)
    }

    /// A client of the template's agent. Only an agent of the operator's
    /// origins is shown the token.
    ///
    /// # Errors
    /// In words that name the operator's mend.
    pub fn agent(&self, url: &AgentUrl, credentials: &Credentials) -> Result<Client, String> {
        let is_listed = Origin::of(&url.to_string())
            .is_some_and(|origin| self.operator.agent_origins.contains(&origin));
        let token = credentials.agent_token.as_ref().filter(|_| is_listed);
        let bearer = token
            .map(|token| Bearer::new(token.reveal()))
            .transpose()
            .map_err(|error| format!("`--agent-token-file` cannot be used: {error}"))?;
        let limits = agent_api::Limits::default();
        Ok(Client::new(self.http()?, url.clone(), bearer, limits))
    }
}

//! Models that are asked from the command line.

use std::time::Duration;

use analysis::explain::{Gemini, ModelsConfig, OpenAi};
use analysis::opinion::Explained;
use analysis::outbound::{self, Outbound};
use analysis::request::Gathered;
use analysis::{Ask, Explainer, Rules};
use judge::Judgement;
use tokio::runtime::{Builder, Runtime};

use crate::args::ModelsArgs;
use crate::mend::Failure;

/// How long one question may take, with its repetitions and its repair: a
/// current model answers in 5 to 15 s, and a person is waiting.
const DEADLINE: Duration = Duration::from_secs(90);

/// Who asks models, and which.
pub struct Models {
    explainer: Explainer,
    names: Vec<String>,
    runtime: Runtime,
}

impl Models {
    /// Sets up the ways to the providers; nothing is sent yet.
    ///
    /// # Errors
    /// An address is none, or there is no way out.
    pub fn new(given: &ModelsArgs) -> Result<Self, Failure> {
        let config = ModelsConfig {
            gemini: Gemini {
                base_url: given.gemini_url.clone(),
                key: given.google_api_key.clone(),
            },
            openai: OpenAi {
                base_url: given.openai_url.clone(),
                key: given.openai_api_key.clone(),
                models: Vec::new(),
            },
            ..ModelsConfig::default()
        };
        let client = outbound::client(&Outbound::default()).map_err(|error| {
            Failure::caused(&error, "check HTTPS_PROXY, NO_PROXY and SSL_CERT_FILE")
        })?;
        let explainer = Explainer::new(&config, client).map_err(|error| {
            Failure::caused(
                &error,
                "check --gemini-url, --openai-url and OPENAI_BASE_URL",
            )
        })?;
        let runtime = Builder::new_current_thread().enable_all().build();
        Ok(Self {
            explainer,
            names: given.names.clone(),
            runtime: runtime.map_err(|error| Failure::defect(&error))?,
        })
    }

    /// What they say about a judgement.
    pub fn opinions(&self, judgement: &Judgement, gathered: &Gathered, rules: &Rules) -> Explained {
        let ask = Ask {
            models: self.names.clone(),
            deadline: DEADLINE,
            rules: *rules,
            // There is no later look at what is recorded.
            settle_now: true,
            ..Ask::default()
        };
        let asked = self.explainer.explain(judgement, gathered, &ask);
        self.runtime.block_on(asked)
    }
}

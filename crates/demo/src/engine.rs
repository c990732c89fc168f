//! The whole demo: cluster, proxy, traffic, plugin and model, and what may be
//! done with them.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use rollouts_plugin::host::Launch;
use tokio::sync::{broadcast, watch};
use tokio::task::JoinHandle;

use crate::arm::{Arm, Both};
use crate::board::Board;
use crate::cluster::{Cluster, Shown};
use crate::error::{DemoError, Refusal};
use crate::model::{Model, ModelChoice};
use crate::plugin::PluginHost;
use crate::programs::Programs;
use crate::proxy::Proxy;
use crate::publish;
use crate::release::{Outcome, REPLICAS, Release};
use crate::scenario::{Happening, Scenario, WEIGHTS};
use crate::state::{Sliders, State};
use crate::tally::Tally;
use crate::traffic::Traffic;

/// How a demo is run.
#[derive(Clone, Debug)]
pub struct Config {
    /// What it is made of.
    pub programs: Programs,
    /// Where its temporary folder is made.
    pub temp_folder: PathBuf,
    /// Whether that folder stays, with the verdicts and their evidence.
    pub keep: bool,
    /// Requests a second, 0 to [`crate::MAX_RATE`].
    pub rate: u32,
    /// What the dice begin with.
    pub seed: u64,
    /// Which model is asked.
    pub model: ModelChoice,
    /// What can be released on the page.
    pub scenarios: Vec<Scenario>,
    /// The time.
    pub clock: fn() -> Timestamp,
}

/// A demo that runs. [`Demo::stop`] ends it in order; dropping it ends it at
/// once, and leaves nothing either.
pub struct Demo {
    inner: Arc<Inner>,
    release: Arc<Mutex<Option<Running>>>,
    publishing: JoinHandle<()>,
    folder: Folder,
}

/// The release under way, or the last one.
struct Running {
    stop: watch::Sender<bool>,
    ended: watch::Receiver<Option<Outcome>>,
    task: JoinHandle<()>,
}

/// What the parts share.
pub(crate) struct Inner {
    pub(crate) cluster: Cluster,
    pub(crate) proxy: Proxy,
    pub(crate) traffic: Traffic,
    pub(crate) tally: Arc<Tally>,
    pub(crate) plugin: PluginHost,
    pub(crate) model: tokio::sync::Mutex<Model>,
    pub(crate) clock: fn() -> Timestamp,
    pub(crate) scenarios: Vec<Scenario>,
    pub(crate) news: publish::News,
    board: Mutex<Board>,
    rate: u32,
}

/// The demo's folder, which goes with it unless it is to stay.
enum Folder {
    Goes(tempfile::TempDir),
    Stays(PathBuf),
}

impl Folder {
    fn path(&self) -> &Path {
        match self {
            Self::Goes(folder) => folder.path(),
            Self::Stays(path) => path,
        }
    }
}

impl Demo {
    /// Starts it: a version serves, and is asked for its colour.
    ///
    /// # Errors
    /// A program is missing or does not start, or something on this machine is.
    pub async fn start(config: Config) -> Result<Self, DemoError> {
        config.programs.check()?;
        let folder = tempfile::Builder::new()
            .prefix("canary-judge-demo-")
            .tempdir_in(&config.temp_folder)
            .map_err(DemoError::Folder)?;
        let folder = if config.keep {
            Folder::Stays(folder.keep())
        } else {
            Folder::Goes(folder)
        };
        let cluster = Cluster::start(config.programs.app.clone(), config.clock).await?;
        let kubeconfig = folder.path().join("kubeconfig");
        std::fs::write(&kubeconfig, cluster.kubeconfig()).map_err(DemoError::Folder)?;
        for name in ["verdicts", "secrets"] {
            std::fs::create_dir(folder.path().join(name)).map_err(DemoError::Folder)?;
        }
        let model = Model::start(&config.model).await?;
        let launch = launch(&config.programs.plugin, folder.path(), &model);
        let proxy = Proxy::start(Arc::clone(cluster.node()), config.seed).await?;
        let tally = Arc::new(Tally::default());
        // Nobody asks before there is somebody to answer.
        let traffic = Traffic::start(proxy.address(), 0, Arc::clone(&tally));
        let inner = Arc::new(Inner {
            cluster,
            proxy,
            traffic,
            tally,
            plugin: PluginHost::new(launch, config.clock),
            model: tokio::sync::Mutex::new(model),
            clock: config.clock,
            scenarios: config.scenarios,
            news: publish::News::default(),
            board: Mutex::new(Board::new(config.seed, config.rate)),
            rate: config.rate,
        });
        let publishing = tokio::spawn(publish::publish(Arc::clone(&inner)));
        let demo = Self {
            inner,
            release: Arc::default(),
            publishing,
            folder,
        };
        demo.serve_first().await?;
        Ok(demo)
    }

    async fn serve_first(&self) -> Result<(), DemoError> {
        let inner = &self.inner;
        let stable = inner.board().stable.clone();
        inner.cluster.scale(Arm::Stable, &stable, REPLICAS).await;
        inner.cluster.show(&Shown {
            stable_hash: &stable.hash,
            current_hash: &stable.hash,
            weights: &WEIGHTS,
            step: WEIGHTS.len(),
            replicas: REPLICAS,
        });
        if !inner.cluster.available(Arm::Stable).await {
            let said = inner.cluster.last_words(Arm::Stable);
            return Err(DemoError::NotReady {
                said: said.unwrap_or_else(|| "it says nothing".to_owned()),
            });
        }
        inner.change(|_| {});
        Ok(())
    }

    /// Releases a new version, as a scenario says.
    ///
    /// # Errors
    /// One is under way.
    pub fn release(&self, scenario: &Scenario) -> Result<(), Refusal> {
        let inner = &self.inner;
        let mut running = self.running();
        let now_ms = inner.now_ms();
        let (number, version) = {
            let mut board = inner.board();
            // A canary may still be on its way out after its verdict.
            let busy = running
                .as_ref()
                .is_some_and(|last| !last.task.is_finished());
            if board.is_under_way() || busy {
                return Err(Refusal::UnderWay);
            }
            board.rate = scenario.requests_per_s.map_or(inner.rate, |rate| rate.0);
            board.begin(scenario, now_ms)
        };
        inner.tally.begin_release();
        inner.change(|_| {});
        let (stop, stopped) = watch::channel(false);
        let (ending, ended) = watch::channel(None);
        let release = Release {
            inner: Arc::clone(inner),
            scenario: scenario.clone(),
            number,
            version,
            began_ms: now_ms,
            stop: stopped,
        };
        let task = tokio::spawn(release.roll(ending));
        *running = Some(Running { stop, ended, task });
        Ok(())
    }

    /// Waits for the verdict on the release under way; `None` where there was
    /// none.
    pub async fn verdict(&self) -> Option<Outcome> {
        let mut ended = self.running().as_ref()?.ended.clone();
        let outcome = ended.wait_for(Option::is_some).await.ok()?;
        outcome.clone()
    }

    /// Takes the canary back by hand, and waits until it is gone.
    ///
    /// # Errors
    /// None is tried.
    pub async fn roll_back(&self) -> Result<(), Refusal> {
        self.ask_back()?;
        self.settled().await;
        Ok(())
    }

    /// The same without waiting.
    pub(crate) fn ask_back(&self) -> Result<(), Refusal> {
        if !self.inner.board().is_under_way() {
            return Err(Refusal::NothingToRollBack);
        }
        if let Some(running) = self.running().as_ref() {
            running.stop.send_replace(true);
        }
        Ok(())
    }

    /// Waits until a release that has its verdict has nothing left to do.
    pub async fn settled(&self) {
        let mut changes = self.inner.news.states();
        while self
            .running()
            .as_ref()
            .is_some_and(|last| !last.task.is_finished())
        {
            if changes.changed().await.is_err() {
                return;
            }
        }
    }

    /// Moves the sliders.
    pub fn set_sliders(&self, sliders: Both<Sliders>) {
        self.inner.change(|board| board.sliders = sliders);
    }

    /// Kills the plugin's process, also in the middle of a call.
    ///
    /// # Errors
    /// None runs.
    pub fn kill_plugin(&self) -> Result<(), Refusal> {
        let killed = self.inner.plugin.kill();
        self.inner.change(|_| {});
        killed
    }

    /// Cuts the scripted model off, or lets it listen again.
    ///
    /// # Errors
    /// There is none, or it is not ours.
    pub async fn set_model(&self, up: bool) -> Result<(), Refusal> {
        let done = self.inner.model.lock().await.set_up(up).await;
        self.inner.change(|_| {});
        done
    }

    /// What can be released by name.
    #[must_use]
    pub fn scenario(&self, name: &str) -> Option<&Scenario> {
        let scenarios = &self.inner.scenarios;
        scenarios.iter().find(|scenario| scenario.name == name)
    }

    /// All there is to know now.
    pub async fn state(&self) -> State {
        publish::state(&self.inner).await
    }

    /// Each new state, as JSON; at most ten a second.
    #[must_use]
    pub fn states(&self) -> watch::Receiver<Arc<str>> {
        self.inner.news.states()
    }

    /// The requests as they are answered, as JSON; at most ten times a second.
    #[must_use]
    pub fn squares(&self) -> broadcast::Receiver<Arc<str>> {
        self.inner.news.squares()
    }

    /// Waits for the first answered request.
    pub async fn first_answer(&self) {
        let mut first = self.inner.news.first_answer();
        // The sender lives as long as we do.
        let _ = first.wait_for(|first| *first).await;
    }

    /// The processes that this one has started and that run.
    #[must_use]
    pub fn processes(&self) -> Vec<u32> {
        let mut pids = self.inner.cluster.pids();
        pids.extend(self.inner.plugin.state().pid);
        pids
    }

    /// Its folder: configuration, and each verdict with its evidence.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Ends everything that it has started, in order.
    pub async fn stop(self) {
        if let Some(running) = self.running().take() {
            running.task.abort();
        }
        self.publishing.abort();
        self.inner.traffic.set_rate(0);
        self.inner.plugin.quit().await;
        self.inner.cluster.stop().await;
    }

    fn running(&self) -> MutexGuard<'_, Option<Running>> {
        self.release.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        if let Some(running) = self.running().take() {
            running.task.abort();
        }
        self.publishing.abort();
    }
}

impl Inner {
    pub(crate) fn now_ms(&self) -> i64 {
        (self.clock)().as_millisecond()
    }

    pub(crate) fn board(&self) -> MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes what is known, and lets the traffic follow.
    pub(crate) fn change(&self, change: impl FnOnce(&mut Board)) {
        let (body, rate) = {
            let mut board = self.board();
            change(&mut board);
            if !board.is_under_way() {
                board.rate = self.rate;
            }
            (board.body(), board.rate)
        };
        match body {
            Ok(body) => self.traffic.set_body(body),
            Err(error) => tracing::error!(%error, "the sliders stay where they were"),
        }
        self.traffic.set_rate(rate);
        self.news.soon();
    }

    /// Something happens in the middle of a release.
    pub(crate) async fn happen(&self, happening: Happening) {
        let done = match happening {
            Happening::KillPlugin => self.plugin.kill(),
            Happening::CutModel => self.model.lock().await.set_up(false).await,
            Happening::RestoreModel => self.model.lock().await.set_up(true).await,
        };
        if let Err(refusal) = done {
            tracing::warn!(%refusal, "what was to happen did not");
        }
        self.change(|_| {});
    }
}

/// Variables of the person who runs this that the plugin must not take for its
/// operator's: models are asked where the demo says so, and nowhere else.
const NOT_OURS: [&str; 21] = [
    "GOOGLE_API_KEY",
    "OPENAI_API_KEY",
    "OPENAI_BASE_URL",
    "GEMINI_MODEL",
    "OPENAI_MODEL",
    "GITHUB_TOKEN",
    "CANARY_JUDGE_POLICY",
    "CANARY_JUDGE_MODELS",
    "CANARY_JUDGE_MODEL_MAY_SETTLE",
    "CANARY_JUDGE_GEMINI_URL",
    "CANARY_JUDGE_OPENAI_URL",
    "CANARY_JUDGE_PRICES",
    "CANARY_JUDGE_AGENT_ORIGIN",
    "CANARY_JUDGE_AGENT_TOKEN_FILE",
    "CANARY_JUDGE_PROMETHEUS_ORIGIN",
    "CANARY_JUDGE_PROMETHEUS_USER",
    "CANARY_JUDGE_PROMETHEUS_PASSWORD_FILE",
    "CANARY_JUDGE_PROMETHEUS_TOKEN_FILE",
    "CANARY_JUDGE_CA_FILE",
    "CANARY_JUDGE_MAX_ANALYSES",
    "CANARY_JUDGE_MAX_BUDGET_USD",
];

/// Of those, what a real model needs.
const OF_A_MODEL: [&str; 3] = ["GOOGLE_API_KEY", "OPENAI_API_KEY", "OPENAI_BASE_URL"];

/// How the plugin is started: as the controller does it, towards our API.
fn launch(plugin: &Path, folder: &Path, model: &Model) -> Launch {
    let mut launch = Launch::new(plugin)
        .env("KUBECONFIG", folder.join("kubeconfig"))
        .env("PLUGIN_UNIX_SOCKET_DIR", folder)
        .env("LOG_LEVEL", "info");
    for name in NOT_OURS {
        if !(model.is_real() && OF_A_MODEL.contains(&name)) {
            // An empty variable is as good as none.
            launch = launch.env(name, "");
        }
    }
    let argument = |name: &str, path: &Path| format!("--{name}={}", path.display());
    launch = launch
        .arg(argument("bundle-dir", &folder.join("verdicts")))
        .arg(argument("secrets-dir", &folder.join("secrets")));
    if let Some((url, key)) = model.place() {
        launch = launch
            .arg(format!("--gemini-url={url}"))
            .env("GOOGLE_API_KEY", key)
            // Our own model is on loopback, whatever else goes by a proxy.
            .env("NO_PROXY", "127.0.0.1")
            .env("no_proxy", "127.0.0.1");
    }
    launch
}

/// How long it takes until the first square at most, from the start.
pub const FIRST_SQUARE_LIMIT: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    /// What the plugin's environment has, of these two, beyond ours.
    fn given(model: &Model) -> [Option<String>; 2] {
        let launch = launch(Path::new("plugin"), Path::new("folder"), model);
        ["GOOGLE_API_KEY", "CANARY_JUDGE_GEMINI_URL"].map(|wanted| {
            let value = launch.env.iter().find(|(name, _)| name == wanted);
            value.map(|(_, value)| value.to_string_lossy().into_owned())
        })
    }

    #[test]
    fn a_key_of_the_person_who_runs_this_is_for_a_real_model_only() {
        let none = Some(String::new());
        assert_eq!(given(&Model::None), [none.clone(), none.clone()]);
        let real = Model::Real("gemini-2.5-flash".to_owned());
        // Not set by us: the person's own is inherited.
        assert_eq!(given(&real), [None, none]);
    }

    #[tokio::test]
    async fn a_scripted_model_gets_a_key_that_is_nobodys() {
        let model = Model::start(&ModelChoice::Scripted).await.unwrap();
        let [key, _] = given(&model);
        // The last one that is set counts.
        let launch = launch(Path::new("plugin"), Path::new("folder"), &model);
        let mut set = launch.env.iter().rev();
        let last = set
            .find(|(name, _)| name == "GOOGLE_API_KEY")
            .map(|(_, value)| value.to_string_lossy().into_owned());
        assert_eq!(
            (key, last),
            (Some(String::new()), Some("scripted".to_owned()))
        );
        let url = launch.args.last().unwrap().to_string_lossy().into_owned();
        assert!(url.starts_with("--gemini-url=http://127.0.0.1:"), "{url}");
    }
}

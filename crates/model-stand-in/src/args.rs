//! What was typed, as typed configuration.
//!
//! The only place that reads it.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Parser;

/// Answer as Gemini and OpenAI do, by a script: for tests and demonstrations.
///
/// Prints one line of JSON with its URLs once it listens, and serves until
/// SIGTERM or an interrupt.
#[derive(Debug, Parser)]
#[command(
    name = "model-stand-in",
    version,
    max_term_width = 100,
    after_help = "\
A script is a list of rules, of which the first that matches answers:
  require_key = \"a-key\"                 # any other key: refused
  models = [\"gemini-3-flash-preview\"]   # any other model: 404

  [[rule]]
  api = \"gemini\"                        # or \"openai\"; also model = …, contains = …
  times = 1
  answer.rate_limit = { quota = \"per_minute\", retry_delay_ms = 17500 }

  [[rule]]
  contains = \"crash\"
  answer.text = '{\"promote\": false, \"findings\": {{finding_ids}}}'

  [[rule]]
  answer = \"obey\"      # also agree, disagree, hang, reset, garbage, retired, echo_key

Examples:
  model-stand-in --script script.toml
  model-stand-in --script script.toml --listen 0.0.0.0:8080 --record calls.jsonl
  model-stand-in --script script.toml --until-eof < some-pipe"
)]
pub(crate) struct Args {
    /// The script, a TOML file
    #[arg(long, value_name = "FILE")]
    pub(crate) script: PathBuf,
    /// Address and port to listen on; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:0")]
    pub(crate) listen: SocketAddr,
    /// Append each call to this file, one line of JSON: api, model, uri, body
    #[arg(long, value_name = "FILE")]
    pub(crate) record: Option<PathBuf>,
    /// End also when standard input ends, as it does when whoever started this
    /// is gone
    #[arg(long)]
    pub(crate) until_eof: bool,
}

/// Reads the command line, or ends the program with its help or what is wrong.
pub(crate) fn parse() -> Args {
    Args::parse()
}

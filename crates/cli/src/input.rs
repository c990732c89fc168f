//! Where logs come from: files or standard input.

use analysis::files::Log;

use crate::args::Input;

/// The inputs as the pipeline reads them; nothing is opened yet.
pub fn logs(inputs: Vec<Input>) -> Vec<Log> {
    inputs
        .into_iter()
        .map(|input| match input {
            Input::File(path) => Log::File(path),
            Input::Stdin => Log::Open {
                name: "standard input".to_owned(),
                reader: Box::new(std::io::stdin()),
            },
        })
        .collect()
}

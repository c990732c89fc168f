//! What one request of `/color` asks for, and what becomes of it. Pure.

use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::scenario::{Scenario, Scope};

/// Longest that an answer is held back, in seconds: a slider is someone
/// else's input, and a request that waits holds a connection.
pub const MAX_DELAY_S: f64 = 30.0;
/// Longest name of a colour, in bytes.
const MAX_COLOR_BYTES: usize = 32;
/// Share of requests that fail of a version called `bad-…`, in percent.
const BAD_PERCENT: f64 = 15.0;
/// How late the answers of a version called `slow-…` are: plain to see, and
/// a page still gets two dozen a second over a browser's six connections.
const SLOW_MS: u64 = 250;

/// The colour of a version: a word that is safe in a log line and in JSON.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Color(String);

impl Color {
    /// The word.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The colour that it is drawn in: `yellow` of `bad-yellow`.
    pub fn bare(&self) -> &str {
        self.0.rsplit('-').next().unwrap_or(&self.0)
    }

    /// What such a version does where nothing else is said: images are known
    /// by these names.
    pub fn usual(&self) -> Behaviour {
        Behaviour {
            error_percent: if self.0.starts_with("bad-") {
                BAD_PERCENT
            } else {
                0.0
            },
            delay: if self.0.starts_with("slow-") {
                Duration::from_millis(SLOW_MS)
            } else {
                Duration::ZERO
            },
        }
    }
}

impl FromStr for Color {
    type Err = String;

    fn from_str(typed: &str) -> Result<Self, String> {
        let fits = (1..=MAX_COLOR_BYTES).contains(&typed.len())
            && typed
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
        if fits {
            Ok(Self(typed.to_owned()))
        } else {
            Err(format!(
                "a colour is 1 to {MAX_COLOR_BYTES} letters, digits, `-` or `_`"
            ))
        }
    }
}

/// The sliders of one colour, as they travel with a request. A slider counts
/// when it is above zero.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Slider {
    /// The colour that it is about.
    pub color: String,
    /// Share of requests that fail, in percent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub return500: Option<f64>,
    /// How long the answer is held back, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay_length: Option<f64>,
    /// What goes wrong for this request. A name that is not known, or is a
    /// process's, changes nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scenario: Option<String>,
}

impl FromStr for Slider {
    type Err = String;

    /// `yellow:return500=40,delayLength=0.2,scenario=exception`, each part
    /// optional.
    fn from_str(typed: &str) -> Result<Self, String> {
        let (color, settings) = typed.split_once(':').unwrap_or((typed, ""));
        let mut slider = Self {
            color: color.parse::<Color>()?.0,
            return500: None,
            delay_length: None,
            scenario: None,
        };
        for setting in settings.split(',').filter(|setting| !setting.is_empty()) {
            let (name, value) = setting.split_once('=').unwrap_or((setting, ""));
            if name == "scenario" {
                value.parse::<Scenario>()?;
                slider.scenario = Some(value.to_owned());
                continue;
            }
            let (slot, most) = match name {
                "return500" => (&mut slider.return500, 100.0),
                "delayLength" => (&mut slider.delay_length, MAX_DELAY_S),
                _ => {
                    return Err(format!(
                        "`{name}` is none of return500, delayLength and scenario"
                    ));
                }
            };
            *slot = match value.parse::<f64>() {
                Ok(value) if (0.0..=most).contains(&value) => Some(value),
                _ => return Err(format!("{name}: `{value}` is not a number in 0..{most}")),
            };
        }
        Ok(slider)
    }
}

/// Why a request's body is refused.
#[derive(Debug, thiserror::Error)]
#[error("the body is not a JSON list of {{\"color\", \"return500\", \"delayLength\"}}")]
pub struct NoSliders(#[source] serde_json::Error);

/// Reads a request's body; an empty one has no sliders.
///
/// The pages that are out there send `"[]"`, a string, before the first
/// slider is moved.
///
/// # Errors
/// The body is neither of these nor a list of sliders.
pub fn parse_sliders(body: &[u8]) -> Result<Vec<Slider>, NoSliders> {
    match body.trim_ascii() {
        b"" | b"\"[]\"" => Ok(Vec::new()),
        body => serde_json::from_slice(body).map_err(NoSliders),
    }
}

/// The slider that counts for a version: the last one of its whole name, else
/// the last one of its bare colour.
pub fn slider_of<'a>(color: &Color, sliders: &'a [Slider]) -> Option<&'a Slider> {
    let last = |name: &str| sliders.iter().rfind(|slider| slider.color == name);
    last(color.as_str()).or_else(|| last(color.bare()))
}

impl Slider {
    /// What goes wrong for this request, where its slider says so.
    pub fn scenario(&self) -> Option<Scenario> {
        let named: Scenario = self.scenario.as_deref()?.parse().ok()?;
        (named.scope() == Scope::Request).then_some(named)
    }
}

/// How often a version fails and how long it takes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Behaviour {
    /// Share of requests that fail, in percent.
    pub error_percent: f64,
    /// How long each answer is held back.
    pub delay: Duration,
}

impl Behaviour {
    /// What counts for this request: its slider where it is above zero, else
    /// the version's own behaviour.
    pub fn with_slider(self, slider: Option<&Slider>) -> Self {
        let Some(slider) = slider else {
            return self;
        };
        Self {
            error_percent: match slider.return500 {
                Some(percent) if percent > 0.0 => percent.min(100.0),
                _ => self.error_percent,
            },
            delay: match slider.delay_length {
                Some(seconds) if seconds > 0.0 => Duration::from_secs_f64(seconds.min(MAX_DELAY_S)),
                _ => self.delay,
            },
        }
    }

    /// Whether a request fails whose dice show `roll`, evenly from [0, 1).
    pub fn fails(self, roll: f64) -> bool {
        roll * 100.0 < self.error_percent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: Behaviour = Behaviour {
        error_percent: 10.0,
        delay: Duration::from_millis(500),
    };

    fn asked(body: &str) -> (f64, f64) {
        let blue = "blue".parse().unwrap();
        let sliders = parse_sliders(body.as_bytes()).unwrap();
        let asked = OWN.with_slider(slider_of(&blue, &sliders));
        (asked.error_percent, asked.delay.as_secs_f64())
    }

    #[test]
    fn the_slider_of_the_own_colour_counts_where_it_is_above_zero() {
        for (body, expected) in [
            ("", (10.0, 0.5)),
            (r#""[]""#, (10.0, 0.5)),
            ("[]", (10.0, 0.5)),
            (r#"[{"color":"yellow","return500":90}]"#, (10.0, 0.5)),
            (r#"[{"color":"blue","return500":90}]"#, (90.0, 0.5)),
            (r#"[{"color":"blue","delayLength":2}]"#, (10.0, 2.0)),
            (
                r#"[{"color":"blue","return500":0,"delayLength":0}]"#,
                (10.0, 0.5),
            ),
            (r#"[{"color":"blue","return500":null}]"#, (10.0, 0.5)),
            (
                r#"[{"color":"blue","return500":5},{"color":"blue","return500":7}]"#,
                (7.0, 0.5),
            ),
            (
                r#"[{"color":"blue","return500":1e300,"delayLength":1e300}]"#,
                (100.0, MAX_DELAY_S),
            ),
            (
                r#"[{"color":"blue","return500":-1,"delayLength":-1}]"#,
                (10.0, 0.5),
            ),
            (
                r#"[{"color":"blue","return500":40,"other":{"a":[1]}}]"#,
                (40.0, 0.5),
            ),
        ] {
            assert_eq!(asked(body), expected, "{body}");
        }
    }

    #[test]
    fn a_slider_of_the_bare_colour_reaches_every_version_of_it() {
        let bad: Color = "bad-yellow".parse().unwrap();
        let percent = |body: &str| {
            let sliders = parse_sliders(body.as_bytes()).unwrap();
            slider_of(&bad, &sliders).and_then(|slider| slider.return500)
        };
        let bare = r#"{"color":"yellow","return500":1}"#;
        let whole = r#"{"color":"bad-yellow","return500":2}"#;
        assert_eq!(percent(&format!("[{bare}]")), Some(1.0));
        assert_eq!(percent(&format!("[{whole},{bare}]")), Some(2.0));
        assert_eq!(percent(r#"[{"color":"bad","return500":3}]"#), None);
    }

    #[test]
    fn only_a_request_s_scenario_travels() {
        let travels = |name: &str| {
            let body = format!(r#"[{{"color":"blue","scenario":"{name}"}}]"#);
            parse_sliders(body.as_bytes()).unwrap()[0].scenario()
        };
        assert_eq!(travels("silent-failure"), Some(Scenario::SilentFailure));
        for name in ["crash", "memory-leak", "slow-start", "", "explode"] {
            assert_eq!(travels(name), None, "{name}");
        }
    }

    #[test]
    fn images_are_known_by_their_names() {
        let usual = |name: &str| {
            let usual = name.parse::<Color>().unwrap().usual();
            (usual.error_percent, usual.delay.as_millis())
        };
        assert_eq!(usual("blue"), (0.0, 0));
        assert_eq!(usual("bad-yellow"), (15.0, 0));
        assert_eq!(usual("slow-red"), (0.0, 250));
    }

    #[test]
    fn other_bodies_are_refused() {
        for body in [
            "x",
            "{}",
            "[1]",
            r#"[{"return500":1}]"#,
            r#"[{"color":"blue","return500":"1"}]"#,
            "\u{0}",
        ] {
            assert!(parse_sliders(body.as_bytes()).is_err(), "{body}");
        }
    }

    #[test]
    fn zero_percent_never_fails_and_a_hundred_always() {
        let at = |error_percent| Behaviour {
            error_percent,
            ..OWN
        };
        for roll in [0.0, 0.5, 0.999_999_999] {
            assert!(!at(0.0).fails(roll));
            assert!(at(100.0).fails(roll));
        }
        assert!(at(40.0).fails(0.399));
        assert!(!at(40.0).fails(0.4));
    }

    #[test]
    fn a_colour_is_a_harmless_word() {
        for word in ["blue", "bad-yellow", "v2_1"] {
            assert!(word.parse::<Color>().is_ok(), "{word}");
        }
        for word in ["", "a b", "a\nb", "\"", "é", &"a".repeat(33)] {
            assert!(word.parse::<Color>().is_err(), "{word}");
        }
    }

    #[test]
    fn a_slider_is_typed_as_it_travels() {
        let slider: Slider = "yellow:return500=40,delayLength=0.2".parse().unwrap();
        assert_eq!(
            serde_json::to_string(&[slider]).unwrap(),
            r#"[{"color":"yellow","return500":40.0,"delayLength":0.2}]"#
        );
        for typed in [
            "",
            "y:x=1",
            "y:return500",
            "y:return500=101",
            "y:delayLength=-1",
            "y:return500=NaN",
            "y:scenario=explode",
        ] {
            assert!(typed.parse::<Slider>().is_err(), "{typed}");
        }
    }
}

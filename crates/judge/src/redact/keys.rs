//! Values of keys that name a secret, however key and value are written:
//! `password=x`, `"apiKey": "x"`, `--token x`, `<secret>x</secret>`,
//! `{"name":"DB_PASSWORD","value":"x"}`, `password%3Dx`, `('token', 'x')`.

use std::ops::Range;
use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, AhoCorasickKind};

use super::names::{self, Names};
use super::values::{self, Value, Written, is_shaped, is_state, run};
use super::{MASK, Masked};

/// Parts of words, in any case, one of which each key has that names a secret.
const HINTS: &[&str] = &[
    "pass",
    "pwd",
    "pw",
    "pswd",
    "psk",
    "mnemonic",
    "secret",
    "token",
    "key",
    "cred",
    "auth",
    "sess",
    "csrf",
    "xsrf",
    "sid",
    "sig",
    "sas",
    "jwt",
    "bearer",
    "assertion",
    "saml",
    "seed",
    "phrase",
    "code",
    "otp",
    "pin",
    "cvv",
    "cvc",
    "ssn",
    "cookie",
    "identified",
];

static HINT_FINDER: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| {
    AhoCorasick::builder()
        .ascii_case_insensitive(true)
        .kind(Some(AhoCorasickKind::DFA))
        .build(HINTS)
        .ok()
});

/// Longest key, in bytes.
const MAX_KEY_BYTES: usize = 80;

/// Bytes between a name and its `value`, at most.
const MAX_BETWEEN_BYTES: usize = 16;

/// Shortest value in a URL's query of a `key` or a `code` that may be one.
const MIN_QUERY_BYTES: usize = 16;

/// Masks the values of keys that name a secret.
pub(super) fn mask(text: &str) -> Option<String> {
    if HINT_FINDER
        .as_ref()
        .is_some_and(|finder| !finder.is_match(text))
    {
        return None;
    }
    let bytes = text.as_bytes();
    let mut masked = Masked::new(text);
    let mut at = 0;
    while at < bytes.len() {
        let found = Sign::at(bytes, at).and_then(|sign| sign.secret(text));
        match found {
            Some(secret) => {
                at = secret.end.max(at + 1);
                masked.mask(secret);
            }
            None => at += 1,
        }
    }
    masked.finish()
}

/// What stands between a key and its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Between {
    /// `=`, `:`, `=>` and the like.
    Sign,
    /// `: ` as in a sentence too.
    Colon,
    /// The end of an XML element's first tag.
    Tag,
    /// A space: a flag, or a text in quotes.
    Space,
    /// A comma between two texts in quotes.
    Comma,
    /// A sign as addresses write it.
    Escaped,
}

/// A sign that may stand between a key and its value.
#[derive(Clone, Copy, Debug)]
struct Sign {
    between: Between,
    /// Where the key ends.
    key_end: usize,
    /// Where the value may begin.
    value_at: usize,
}

impl Sign {
    fn at(bytes: &[u8], at: usize) -> Option<Self> {
        let next = bytes.get(at + 1).copied();
        let (between, len) = match bytes[at] {
            b'=' => (
                Between::Sign,
                1 + run(bytes, at + 1, |byte| matches!(byte, b'=' | b'>')),
            ),
            b':' => match next {
                Some(b':') => return None,
                Some(b'/') if bytes.get(at + 2) == Some(&b'/') => return None,
                Some(b'=') => (Between::Sign, 2),
                Some(b' ' | b'\t') => (Between::Colon, 1),
                _ => (Between::Sign, 1),
            },
            b'>' => (Between::Tag, 1),
            b' ' | b'\t' => (Between::Space, 1),
            b',' => (Between::Comma, 1),
            b'%' => match bytes.get(at + 1..at + 3)? {
                b"3D" | b"3d" | b"3A" | b"3a" => (Between::Escaped, 3),
                _ => return None,
            },
            _ => return None,
        };
        Some(Self {
            between,
            key_end: at,
            value_at: at + len,
        })
    }

    /// What is to be masked behind it.
    fn secret(self, text: &str) -> Option<Range<usize>> {
        let bytes = text.as_bytes();
        let key = Key::before(bytes, self.key_end)?;
        let names = self.names(text, &key)?;
        let value = self.value(text)?;
        let is_prose =
            self.between == Between::Colon && !key.quoted && value.written == Written::Bare;
        let must_show = is_prose || self.between == Between::Comma;
        secret(text, names, &value, must_show)
    }

    /// What the key says of the value, if it can have one behind this sign.
    fn names(self, text: &str, key: &Key) -> Option<Names> {
        let bytes = text.as_bytes();
        let word = &text[key.at.clone()];
        match self.between {
            Between::Tag if bytes.get(key.at.start.wrapping_sub(1)) != Some(&b'<') => return None,
            Between::Comma if !key.quoted => return None,
            Between::Space => {
                if bytes[..key.at.start].ends_with(b"--") || word.starts_with("--") {
                    return names::names(word);
                }
                let is_by = word.eq_ignore_ascii_case("by")
                    && Key::before(bytes, key.at.start)
                        .is_some_and(|before| text[before.at].eq_ignore_ascii_case("identified"));
                return (is_by || names::is_password(word)).then_some(Names::Secret);
            }
            _ => {}
        }
        if let Some(names) = names::names(word) {
            return Some(names);
        }
        let asked = matches!(
            bytes.get(key.at.start.wrapping_sub(1)),
            Some(b'?' | b'&' | b';')
        );
        match word.to_ascii_lowercase().as_str() {
            "key" | "code" if asked => Some(Names::Shaped(MIN_QUERY_BYTES)),
            // `API key: x`.
            "key" | "id" | "phrase" | "code" | "codes" | "seed" => {
                let before = Key::before(bytes, key.at.start)?;
                let is_near = key.at.start - before.at.end == 1;
                let both = format!("{} {word}", &text[before.at.clone()]);
                names::names(&both).filter(|_| is_near)
            }
            // `{"name":"DB_PASSWORD","value":"x"}`.
            "value" => {
                let between = bytes[..key.at.start]
                    .iter()
                    .rev()
                    .take_while(|byte| !in_key(**byte))
                    .count();
                if between > MAX_BETWEEN_BYTES {
                    return None;
                }
                let end = key.at.start - between;
                let start = end - run_back(bytes, end, in_key);
                names::names(text.get(start..end)?)
            }
            _ => None,
        }
    }

    fn value(self, text: &str) -> Option<Value> {
        let bytes = text.as_bytes();
        let bare = |at: Range<usize>| Value {
            inner: at.clone(),
            at,
            written: Written::Quoted,
        };
        match self.between {
            Between::Tag => {
                let len = run(bytes, self.value_at, |byte| byte != b'<' && byte != b'\n');
                Some(bare(self.value_at..self.value_at + len))
            }
            Between::Escaped => {
                let quotes = if bytes[self.value_at..].starts_with(b"%22") {
                    3
                } else {
                    0
                };
                let start = self.value_at + quotes;
                Some(bare(start..start + values::bare_len(bytes, start)))
            }
            Between::Sign | Between::Colon => values::value(text, self.value_at),
            // In a list, and not the next key.
            Between::Comma => values::value(text, self.value_at).filter(|value| {
                let behind = value.at.end + run(bytes, value.at.end, |byte| byte == b' ');
                value.written == Written::Quoted && !matches!(bytes.get(behind), Some(b':' | b'='))
            }),
            Between::Space => {
                let value = values::value(text, self.value_at)?;
                let is_flag = bytes[..self.key_end]
                    .iter()
                    .rev()
                    .take_while(|byte| in_key(**byte))
                    .count();
                let is_flag = bytes[self.key_end - is_flag..].starts_with(b"--");
                let fits = value.written == Written::Quoted
                    || is_flag && !bytes[value.at.clone()].starts_with(b"-");
                fits.then_some(value)
            }
        }
    }
}

/// A key in a text.
#[derive(Clone, Debug)]
struct Key {
    at: Range<usize>,
    quoted: bool,
}

impl Key {
    /// The key that ends at `end`, before spaces, its quote and a bracket.
    fn before(bytes: &[u8], end: usize) -> Option<Self> {
        let mut end = end - run_back(bytes, end, |byte| matches!(byte, b' ' | b'\t'));
        if bytes[..end].ends_with(b"]") {
            end -= 1;
        }
        let quoted = matches!(bytes[..end].last(), Some(b'"' | b'\'' | b'`'));
        if quoted {
            end -= 1;
            end -= run_back(bytes, end, |byte| byte == b'\\');
        } else if bytes[..end].ends_with(b"%22") {
            end -= 3;
        }
        let len = run_back(bytes, end, in_key).min(MAX_KEY_BYTES);
        (len > 0).then_some(Self {
            at: end - len..end,
            quoted,
        })
    }
}

fn in_key(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-')
}

/// Length of the run of bytes before `end` that are `like` it.
fn run_back(bytes: &[u8], end: usize, like: impl Fn(u8) -> bool) -> usize {
    let before = bytes[..end].iter().rev();
    before.take_while(|byte| like(**byte)).count()
}

/// What of a value is masked, by what its key says of it. In a sentence it
/// `must_show` what it is: `token: expired` is none.
fn secret(text: &str, names: Names, value: &Value, must_show: bool) -> Option<Range<usize>> {
    let said = text.get(value.inner.clone())?;
    let is_small = said.len() < 4 && said.bytes().all(|byte| byte.is_ascii_digit());
    let is_number = !said.bytes().any(|byte| byte.is_ascii_alphabetic());
    let is_bare = value.written == Written::Bare;
    if is_state(said) || must_show && !is_bare && !is_shaped(said, 6) {
        return None;
    }
    let whole = Some(value.at.clone());
    match names {
        Names::Secret => whole.filter(|_| !is_small),
        Names::Token if must_show => whole
            .filter(|_| is_shaped(said, 6) && !is_number)
            .or_else(|| with_scheme(text, value)),
        Names::Token => whole.filter(|_| !is_small),
        Names::Shaped(least) if is_shaped(said, least) && !is_number => whole,
        Names::Scheme if is_shaped(said, 6) || !is_bare && said.contains(' ') => whole,
        Names::Scheme => with_scheme(text, value),
        Names::Shaped(_) => None,
        Names::Number => {
            let digits = said.bytes().filter(u8::is_ascii_digit).count();
            whole.filter(|_| digits >= 3 && said.len() <= 24)
        }
        Names::Cookies | Names::Words if is_bare => {
            let start = value.at.start;
            let end = start + values::rest_len(text.as_bytes(), start);
            let rest = &text[start..end];
            let fits = names == Names::Words || rest.contains('=');
            (fits && rest != MASK).then_some(start..end)
        }
        Names::Cookies => whole.filter(|_| said.contains('=')),
        Names::Words => whole,
    }
}

/// `Token x` as the value of `Authorization`: both, if what comes behind the
/// first word looks like a secret, or was one.
fn with_scheme(text: &str, value: &Value) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    let scheme = text.get(value.at.clone())?;
    let is_scheme = value.written == Written::Bare
        && scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let spaces = run(bytes, value.at.end, |byte| byte == b' ');
    if !is_scheme || spaces == 0 {
        return None;
    }
    let start = value.at.end + spaces;
    let end = start + values::bare_len(bytes, start);
    let said = text.get(start..end)?;
    (said == MASK || is_shaped(said, 6)).then_some(value.at.start..end)
}

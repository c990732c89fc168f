//! Whether a key names a secret, told by the words that it is made of:
//! `db_password`, `clientSecret`, `X-Api-Key`, but not `password_file`,
//! `tokenType` or `compass`.

/// What a key says of its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Names {
    /// A secret, whatever it looks like.
    Secret,
    /// A secret where a key and a value stand, and in prose (`token: expired`)
    /// only what looks like one.
    Token,
    /// A secret if it looks like one and has so many bytes at least.
    Shaped(usize),
    /// A scheme, and a secret behind it: `Authorization: Token x`.
    Scheme,
    /// A number that someone keeps: `pin`, `cvv`.
    Number,
    /// Pairs of names and values to the end of the line.
    Cookies,
    /// Words to the end of the line: a phrase that restores a wallet.
    Words,
}

/// Words that name a secret by themselves.
const SECRETS: &[&str] = &[
    "password",
    "passwd",
    "passphrase",
    "passcode",
    "passwort",
    "pass",
    "pwd",
    "pw",
    "mnemonic",
    "pswd",
    "psk",
];

/// Words that do so where a value stands for itself.
const TOKENS: &[&str] = &[
    "secret",
    "token",
    "apikey",
    "credential",
    "credentials",
    "creds",
    "cred",
    "secretkey",
    "accesskey",
    "privatekey",
    "sessionid",
    "sessid",
];

/// Words that name something that is secret if it is long enough: at the least
/// so many bytes.
const SHAPED: &[(&str, usize)] = &[
    ("csrf", 8),
    ("xsrf", 8),
    ("sid", 12),
    ("session", 16),
    ("signature", 16),
    ("sig", 16),
    ("sas", 16),
    ("jwt", 16),
    ("bearer", 8),
    ("assertion", 16),
    ("samlresponse", 16),
    ("samlrequest", 16),
];

/// How a word ends, or begins, that was written together: `userpassword`,
/// `PGPASSWORD`, `accesstoken`.
const WITHIN: &[&str] = &[
    "password",
    "passwd",
    "passphrase",
    "secret",
    "token",
    "apikey",
    "accesskey",
    "secretkey",
    "privatekey",
    "sessionid",
    "sessid",
    "credentials",
];

/// Before `pass`, written together: it ends ordinary words as well.
const BEFORE_PASS: &[&str] = &[
    "db", "user", "root", "admin", "mysql", "pg", "redis", "smtp", "mail", "ftp", "ldap", "my",
    "http", "proxy", "ssh",
];

/// Words before `key` that make it a secret one, whatever it looks like.
const KEYS: &[&str] = &[
    "api",
    "access",
    "private",
    "secret",
    "account",
    "shared",
    "master",
    "signing",
    "encryption",
    "decryption",
    "subscription",
    "storage",
    "license",
    "licence",
    "preshared",
];

/// Words before `key` that may: its value has to look like one.
const MAYBE_KEYS: &[&str] = &[
    "client",
    "auth",
    "session",
    "app",
    "application",
    "service",
    "deploy",
    "ssh",
    "gpg",
    "hmac",
    "aes",
    "rsa",
    "jwt",
    "webhook",
    "admin",
    "root",
    "ingest",
    "ingestion",
    "instrumentation",
    "cipher",
    "symmetric",
    "write",
    "read",
    "server",
    "host",
    "tls",
    "ssl",
    "consumer",
    "integration",
    "routing",
    "cloud",
    "datadog",
    "dd",
    "newrelic",
];

/// Words behind the one that names a secret, which say that the value is
/// something about it.
const ABOUT: &[&str] = &[
    "file",
    "files",
    "path",
    "dir",
    "name",
    "names",
    "type",
    "types",
    "count",
    "counts",
    "length",
    "len",
    "size",
    "ttl",
    "expiry",
    "expires",
    "expire",
    "expiration",
    "expired",
    "exp",
    "age",
    "policy",
    "url",
    "uri",
    "endpoint",
    "host",
    "status",
    "state",
    "valid",
    "validity",
    "invalid",
    "enabled",
    "disabled",
    "required",
    "reset",
    "min",
    "max",
    "limit",
    "limits",
    "ref",
    "provider",
    "source",
    "method",
    "version",
    "format",
    "manager",
    "service",
    "store",
    "mode",
    "time",
    "timeout",
    "at",
    "in",
    "error",
    "errors",
    "failed",
    "failure",
    "failures",
    "message",
    "class",
    "scope",
    "scopes",
    "user",
    "username",
    "usage",
    "used",
    "algorithm",
    "alg",
    "index",
    "ms",
    "seconds",
    "duration",
    "validator",
    "filter",
    "handler",
    "controller",
    "bucket",
    "rate",
    "header",
    "field",
    "kind",
    "issuer",
    "audience",
    "realm",
    "changed",
    "rotation",
    "hint",
];

/// Words behind it which say how the value itself is written.
const FORMS: &[&str] = &[
    "data", "value", "hash", "base", "text", "string", "raw", "id",
];

/// Most words of a key that are looked at: the last ones.
const MAX_WORDS: usize = 8;

/// What a key of letters, digits and `_.-` says of its value.
pub(super) fn names(key: &str) -> Option<Names> {
    let words = words(key);
    let mut last = None;
    for at in 0..words.len() {
        let before = at
            .checked_sub(1)
            .map_or("", |before| words[before].as_str());
        if let Some(found) = named(before, &words[at]) {
            last = Some((at, found));
        }
    }
    let (at, found) = last?;
    let mut behind = words[at + 1..].iter().map(String::as_str);
    let is_value = match found {
        Names::Secret | Names::Token => behind.all(|word| !ABOUT.contains(&word)),
        // These words are seldom alone: `SessionTracker`, `AuthFailed`.
        _ => behind.all(|word| FORMS.contains(&word)),
    };
    is_value.then_some(found)
}

/// Whether a key is the word itself, as for what stands in front of its value
/// in prose.
pub(super) fn is_password(key: &str) -> bool {
    matches!(
        key.to_ascii_lowercase().as_str(),
        "password" | "passwd" | "passphrase" | "pwd"
    )
}

fn named(before: &str, word: &str) -> Option<Names> {
    let is_one_of = |list: &[&str], word: &str| list.contains(&word);
    if is_one_of(SECRETS, word) {
        return Some(match word {
            "mnemonic" => Names::Words,
            _ => Names::Secret,
        });
    }
    if is_one_of(TOKENS, word) {
        return Some(Names::Token);
    }
    if let Some((_, least)) = SHAPED.iter().find(|(name, _)| *name == word) {
        return Some(Names::Shaped(*least));
    }
    match word {
        "key" if is_one_of(KEYS, before) => return Some(Names::Token),
        "key" if is_one_of(MAYBE_KEYS, before) => return Some(Names::Shaped(12)),
        "id" if before == "session" => return Some(Names::Shaped(8)),
        "seed" if matches!(before, "totp" | "otp" | "mfa" | "hd" | "wallet" | "master") => {
            return Some(Names::Token);
        }
        "phrase" if matches!(before, "seed" | "recovery") => return Some(Names::Words),
        "codes" | "code" if matches!(before, "recovery" | "backup") => return Some(Names::Words),
        "pin" | "otp" | "totp" | "cvv" | "cvc" | "ssn" => return Some(Names::Number),
        "authorization" | "auth" => return Some(Names::Scheme),
        "cookie" | "cookies" => return Some(Names::Cookies),
        _ => {}
    }
    let is_pass = word
        .strip_suffix("pass")
        .is_some_and(|before| is_one_of(BEFORE_PASS, before));
    if is_pass || WITHIN[..3].iter().any(|within| word.contains(within)) {
        return Some(Names::Secret);
    }
    let is_within = WITHIN.iter().any(|within| word.ends_with(within));
    is_within.then_some(Names::Token)
}

/// The words of a key, in lower case and without the digits at their ends:
/// parts between signs, and a new one where a capital begins.
fn words(key: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let bytes = key.as_bytes();
    let mut word = String::new();
    for (at, byte) in bytes.iter().enumerate() {
        let before = at.checked_sub(1).map_or(0, |before| bytes[before]);
        let next = bytes.get(at + 1).copied().unwrap_or_default();
        let begins = byte.is_ascii_uppercase()
            && (before.is_ascii_lowercase()
                || before.is_ascii_digit()
                || before.is_ascii_uppercase() && next.is_ascii_lowercase());
        let is_sign = matches!(byte, b'_' | b'.' | b'-' | b' ');
        if (begins || is_sign) && !word.is_empty() {
            words.push(std::mem::take(&mut word));
        }
        if !is_sign {
            word.push(char::from(byte.to_ascii_lowercase()));
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    for word in &mut words {
        word.truncate(word.trim_end_matches(|c: char| c.is_ascii_digit()).len());
    }
    words.retain(|word| !word.is_empty());
    words.drain(..words.len().saturating_sub(MAX_WORDS));
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_told_apart_by_their_words() {
        for (key, expected) in [
            ("password", Some(Names::Secret)),
            ("DB_PASSWORD", Some(Names::Secret)),
            ("PGPASSWORD", Some(Names::Secret)),
            ("password_confirmation", Some(Names::Secret)),
            ("newPassword2", Some(Names::Secret)),
            ("spring.datasource.password", Some(Names::Secret)),
            ("dbpass", Some(Names::Secret)),
            ("clientSecret", Some(Names::Token)),
            ("X-Api-Key", Some(Names::Token)),
            ("APIKey", Some(Names::Token)),
            ("AWSSecretAccessKey", Some(Names::Token)),
            ("SharedAccessKey", Some(Names::Token)),
            ("client-key-data", Some(Names::Shaped(12))),
            ("JSESSIONID", Some(Names::Token)),
            ("Set-Cookie", Some(Names::Cookies)),
            ("userPin", Some(Names::Number)),
            ("password_file", None),
            ("secretName", None),
            ("tokenType", None),
            ("max_tokens", None),
            ("auth_time", None),
            ("compass", None),
            ("shipping", None),
            ("author", None),
            ("key", None),
            ("partition_key", None),
            ("signal", None),
            ("assessment", None),
        ] {
            assert_eq!(names(key), expected, "{key}");
        }
    }
}

//! Secrets that are known by their form: what their makers put before them, or
//! where they stand in a URL, a header, a block.

use std::borrow::Cow;
use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, AhoCorasickKind};
use regex_automata::meta::Regex;
use regex_automata::util::syntax;

use super::Masked;
use super::values::is_shaped;

/// A kind of form, and so a rule. None of its rules can match a text without
/// one of its hints, and all hints are looked for in one pass, which is far
/// cheaper than the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Block,
    Url,
    Tool,
    Scheme,
    Digest,
    WebToken,
    Maker,
    Webhook,
    Hash,
    Mail,
}

/// Which text hints at which form, in any case.
const HINTS: &[(&str, Form)] = &[
    ("-----begin", Form::Block),
    ("://", Form::Url),
    ("@tcp(", Form::Tool),
    ("@unix(", Form::Tool),
    (":thin:", Form::Tool),
    ("login", Form::Tool),
    ("-u", Form::Tool),
    ("bearer", Form::Scheme),
    ("basic", Form::Scheme),
    ("negotiate", Form::Scheme),
    ("digest", Form::Digest),
    ("eyj", Form::WebToken),
    ("q~", Form::Maker),
    (".atlasv1.", Form::Maker),
    ("hooks.", Form::Webhook),
    ("webhook", Form::Webhook),
    ("/bot", Form::Webhook),
    ("$2", Form::Hash),
    ("$5$", Form::Hash),
    ("$6$", Form::Hash),
    ("$y$", Form::Hash),
    ("$argon2", Form::Hash),
    ("$pbkdf2", Form::Hash),
    ("$scrypt", Form::Hash),
    ("@", Form::Mail),
];

/// What makers of keys put before them (in the case that they do), and what
/// follows it at least. A longer prefix that begins with a shorter one comes
/// first.
const MAKERS: &[(&str, &str)] = &[
    // Amazon, Alibaba, Tencent.
    ("AKIA", "[0-9A-Z]{16,}"),
    ("ASIA", "[0-9A-Z]{16,}"),
    ("ABIA", "[0-9A-Z]{16,}"),
    ("ACCA", "[0-9A-Z]{16,}"),
    ("AROA", "[0-9A-Z]{16,}"),
    ("AIDA", "[0-9A-Z]{16,}"),
    ("LTAI", "[0-9A-Za-z]{12,}"),
    ("AKID", "[0-9A-Za-z]{16,}"),
    // Google.
    ("AIza", "[0-9A-Za-z_-]{20,}"),
    ("ya29.", "[0-9A-Za-z_-]{10,}"),
    ("GOCSPX-", "[0-9A-Za-z_-]{10,}"),
    ("1//0", "[0-9A-Za-z_-]{20,}"),
    // DigitalOcean, Heroku, Fly, Yandex.
    ("dop_v1_", "[0-9a-f]{16,}"),
    ("doo_v1_", "[0-9a-f]{16,}"),
    ("dor_v1_", "[0-9a-f]{16,}"),
    ("HRKU-", "[0-9A-Za-z_-]{16,}"),
    ("fm2_", "[0-9A-Za-z+/=]{16,}"),
    ("AQVN", "[0-9A-Za-z_-]{30,}"),
    // Where code lives.
    ("ghp_", "[0-9A-Za-z]{16,}"),
    ("gho_", "[0-9A-Za-z]{16,}"),
    ("ghu_", "[0-9A-Za-z]{16,}"),
    ("ghs_", "[0-9A-Za-z]{16,}"),
    ("ghr_", "[0-9A-Za-z]{16,}"),
    ("github_pat_", "[0-9A-Za-z_]{16,}"),
    ("glpat-", "[0-9A-Za-z_.-]{12,}"),
    ("glrt-", "[0-9A-Za-z_.-]{12,}"),
    ("gldt-", "[0-9A-Za-z_.-]{12,}"),
    ("glcbt-", "[0-9A-Za-z_.-]{12,}"),
    ("glptt-", "[0-9A-Za-z_.-]{12,}"),
    ("glft-", "[0-9A-Za-z_.-]{12,}"),
    ("glsoat-", "[0-9A-Za-z_.-]{12,}"),
    ("glagent-", "[0-9A-Za-z_.-]{12,}"),
    ("gloas-", "[0-9A-Za-z_.-]{12,}"),
    ("ATATT3", "[0-9A-Za-z_=-]{16,}"),
    ("ATCTT3", "[0-9A-Za-z_=-]{16,}"),
    ("ATBB", "[0-9A-Za-z_=-]{16,}"),
    ("lin_api_", "[0-9A-Za-z]{16,}"),
    ("figd_", "[0-9A-Za-z_-]{16,}"),
    ("ntn_", "[0-9A-Za-z]{16,}"),
    ("PMAK-", "[0-9a-f-]{16,}"),
    // Packages and images.
    ("npm_", "[0-9A-Za-z]{16,}"),
    ("pypi-", "[0-9A-Za-z_-]{16,}"),
    ("rubygems_", "[0-9a-f]{16,}"),
    ("dckr_pat_", "[0-9A-Za-z_-]{16,}"),
    ("oy2", "[0-9a-z]{43}"),
    // Messages.
    ("xoxe.", "[0-9A-Za-z.-]{8,}"),
    ("xox", "[a-z]-[0-9A-Za-z-]{8,}"),
    ("xapp-", "[0-9A-Za-z-]{8,}"),
    ("SG.", r"[0-9A-Za-z_-]{10,}\.[0-9A-Za-z_-]{10,}"),
    ("key-", "[0-9a-f]{32}"),
    // Money.
    ("sk-", "[0-9A-Za-z_-]{16,}"),
    ("sk_", "[0-9A-Za-z_-]{16,}"),
    ("rk_", "[0-9A-Za-z_-]{16,}"),
    ("pk_", "[0-9A-Za-z_-]{16,}"),
    ("rk-", "[0-9A-Za-z_-]{16,}"),
    ("pk-", "[0-9A-Za-z_-]{16,}"),
    ("whsec_", "[0-9A-Za-z+/=]{16,}"),
    ("sq0atp-", "[0-9A-Za-z_-]{16,}"),
    ("sq0csp-", "[0-9A-Za-z_-]{16,}"),
    ("shpat_", "[0-9a-fA-F]{16,}"),
    ("shpca_", "[0-9a-fA-F]{16,}"),
    ("shppa_", "[0-9a-fA-F]{16,}"),
    ("shpss_", "[0-9a-fA-F]{16,}"),
    ("access_token$production$", r"[0-9a-z]+\$[0-9a-f]{16,}"),
    // Models.
    ("hf_", "[0-9A-Za-z]{16,}"),
    ("api_org_", "[0-9A-Za-z]{16,}"),
    ("gsk_", "[0-9A-Za-z]{16,}"),
    ("r8_", "[0-9A-Za-z]{16,}"),
    ("pplx-", "[0-9A-Za-z]{16,}"),
    ("xai-", "[0-9A-Za-z]{16,}"),
    // Running things.
    ("hvs.", "[0-9A-Za-z_-]{16,}"),
    ("hvb.", "[0-9A-Za-z_-]{16,}"),
    ("hvr.", "[0-9A-Za-z_-]{16,}"),
    ("dapi", "[0-9a-f]{32}"),
    ("dp.pt.", "[0-9A-Za-z]{16,}"),
    ("dp.st.", "[0-9A-Za-z._-]{16,}"),
    ("glc_", "[0-9A-Za-z+/=]{16,}"),
    ("glsa_", "[0-9A-Za-z_]{16,}"),
    ("NRAK-", "[0-9A-Z]{16,}"),
    ("NRJS-", "[0-9a-f]{16,}"),
    ("sntrys_", "[0-9A-Za-z+/=_-]{16,}"),
    ("sntryu_", "[0-9a-f]{16,}"),
    ("pscale_tkn_", "[0-9A-Za-z_.=-]{16,}"),
    ("pscale_pw_", "[0-9A-Za-z_.=-]{16,}"),
    ("pscale_oauth_", "[0-9A-Za-z_.=-]{16,}"),
    ("pul-", "[0-9a-f]{32,}"),
    ("pnu_", "[0-9A-Za-z]{16,}"),
    ("sbp_", "[0-9a-f]{16,}"),
    ("tskey-", "[0-9A-Za-z-]{12,}"),
    ("AGE-SECRET-KEY-", "[0-9A-Z]{10,}"),
];

static HINT_FINDER: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| {
    let makers = MAKERS.iter().map(|(prefix, _)| *prefix);
    AhoCorasick::builder()
        .ascii_case_insensitive(true)
        .kind(Some(AhoCorasickKind::DFA))
        .build(HINTS.iter().map(|(text, _)| *text).chain(makers))
        .ok()
});

/// The forms that a text hints at, a bit each.
fn hints(text: &str) -> u16 {
    let Some(finder) = HINT_FINDER.as_ref() else {
        return u16::MAX;
    };
    let form = |pattern: usize| HINTS.get(pattern).map_or(Form::Maker, |(_, form)| *form);
    finder.find_overlapping_iter(text).fold(0, |found, hint| {
        found | 1 << form(hint.pattern().as_usize()) as u16
    })
}

/// One rule: what is matched, and which part of it is masked.
struct Rule {
    regex: Regex,
    form: Form,
    /// The capture group that is the secret; all of the match when 0.
    secret: usize,
    /// Whether what was matched may be one, beyond what the pattern can say.
    may_be: fn(&str) -> bool,
}

impl Rule {
    fn apply(&self, text: &str) -> Option<String> {
        let mut masked = Masked::new(text);
        for captures in self.regex.captures_iter(text.as_bytes()) {
            let Some(secret) = captures.get_group(self.secret) else {
                continue;
            };
            let said = text.get(secret.start..secret.end);
            if said.is_some_and(self.may_be) {
                masked.mask(secret.start..secret.end);
            }
        }
        masked.finish()
    }
}

/// Masks what is known by its form.
pub(super) fn mask(text: &mut Cow<'_, str>) {
    let found = hints(text);
    if found == 0 {
        return;
    }
    for rule in RULES
        .iter()
        .filter(|rule| found & 1 << rule.form as u16 != 0)
    {
        if let Some(next) = rule.apply(text) {
            *text = Cow::Owned(next);
        }
    }
}

fn always(_: &str) -> bool {
    true
}

/// `port/path?mail=a` between `://host:` and a later `@` is no password.
fn is_user_info(said: &str) -> bool {
    let Some((host, rest)) = said.split_once(':') else {
        // A name alone is one of a user, unless a token is used as such.
        return !said.contains(['/', '?', '#']) && said.bytes().any(|byte| byte.is_ascii_digit());
    };
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let is_port = (1..=5).contains(&digits) && rest[digits..].starts_with(['/', '?', '#']);
    !is_port && !host.contains(['/', '?', '#'])
}

/// `-u 1000:1000` is a user and a group.
fn is_no_number(said: &str) -> bool {
    !said.bytes().all(|byte| byte.is_ascii_digit())
}

/// Credentials of `Basic` and its like are base64: words behind it are prose,
/// and a name with a capital in it is the next field.
fn is_credential(said: &str) -> bool {
    let joints = said.as_bytes().windows(2);
    let joints = joints.filter(|pair| pair[0].is_ascii_lowercase() && pair[1].is_ascii_uppercase());
    said.bytes()
        .any(|byte| byte.is_ascii_digit() || matches!(byte, b'+' | b'/'))
        || joints.count() > 1
        || said.len() > 24
}

/// A mark that ends in a dash begins words as well, as in `sk-management`.
fn is_makers(said: &str) -> bool {
    let is_short_mark = said.bytes().take(5).any(|byte| byte == b'-');
    !is_short_mark || is_shaped(said, 24) && said.bytes().any(|byte| byte.is_ascii_digit())
}

/// Compiles a pattern of this module; each is covered by a test.
fn compile(pattern: &str) -> Option<Regex> {
    Regex::builder()
        .syntax(syntax::Config::new().unicode(false).utf8(false))
        .build(pattern)
        .ok()
}

/// A block that spans lines keeps its line breaks, written or escaped.
const BLOCK: &str =
    r"(?s)-----BEGIN [A-Z0-9 ]*PRIVATE KEY.*?(?:-----END [A-Z0-9 ]*PRIVATE KEY[A-Z ]*-----|$)";

/// What a rule is made of: its form, its pattern, the group that is the secret,
/// and what else must hold of it.
type Spec<'p> = (Form, &'p str, usize, fn(&str) -> bool);

/// All rules, in the order in which they are applied: whole blocks first, and
/// a URL's user before an address of mail is looked for in it.
static RULES: LazyLock<Vec<Rule>> = LazyLock::new(|| {
    let makers: Vec<String> = MAKERS
        .iter()
        .map(|(prefix, rest)| format!("{}{rest}", prefix.replace('.', r"\.").replace('$', r"\$")))
        .collect();
    // Of two makers the mark stands within: Microsoft's and Terraform's.
    let makers = format!(
        r"(?:^|[^0-9A-Za-z])([0-9A-Za-z_~.]{{3}}[0-9]Q~[0-9A-Za-z_~.-]{{30,}}|[0-9A-Za-z]{{14}}\.atlasv1\.[0-9A-Za-z_=-]{{16,}}|{})",
        makers.join("|")
    );
    let specs: [Spec<'_>; 16] = [
        (Form::Block, BLOCK, 0, always),
        (Form::Url, r#"://([^ \t\r\n"'<>]*)@"#, 1, is_user_info),
        (
            Form::Tool,
            r#"[0-9A-Za-z_.-]{1,64}:([^ \t"']+)@(?:tcp|unix)\("#,
            1,
            always,
        ),
        (
            Form::Tool,
            r#":thin:[^/ \t"']{1,64}/([^ \t"'@]+)@"#,
            1,
            always,
        ),
        (
            Form::Tool,
            r"(?i)\blogin[ \t]+[^ \t]+[ \t]+password[ \t]+([^ \t]+)",
            1,
            always,
        ),
        (
            Form::Tool,
            r#"(?:^|[ \t])(?:-u|--user|--proxy-user)[ =]["']?[^ \t:"'/]{1,64}:([^ \t"']+)"#,
            1,
            is_no_number,
        ),
        (
            Form::Scheme,
            r"(?i)\b(?:bearer|basic|negotiate)[ \t]+([a-z0-9._~+/-]{6,}={0,2})",
            1,
            is_credential,
        ),
        (
            Form::Digest,
            r#"(?i)\b(?:response|c?nonce|opaque)=\\*"?([0-9a-z+/=_-]{8,})"#,
            1,
            is_credential,
        ),
        (
            Form::WebToken,
            r"eyJ[A-Za-z0-9_-]{5,}(?:\.[A-Za-z0-9_-]*){0,4}",
            0,
            always,
        ),
        (Form::Maker, &makers, 1, is_makers),
        (
            Form::Webhook,
            r#"hooks\.(?:slack|zapier)\.com/(?:services|workflows|triggers|hooks/catch)/([0-9A-Za-z/_-]+)"#,
            1,
            always,
        ),
        (
            Form::Webhook,
            r"discord(?:app)?\.com/api/(?:v[0-9]+/)?webhooks/([0-9A-Za-z/_-]+)",
            1,
            always,
        ),
        (
            Form::Webhook,
            r#"(?:office(?:365)?\.com/webhook(?:b2)?|/incomingwebhook)/([^ \t"'<>]+)"#,
            1,
            always,
        ),
        (
            Form::Webhook,
            r"/bot([0-9]{6,12}:[0-9A-Za-z_-]{20,})",
            1,
            always,
        ),
        (
            Form::Hash,
            r"(\$(?:2[abxy]?|5|6|y|argon2[a-z]*|pbkdf2[a-z0-9-]*|scrypt)\$[0-9A-Za-z./+=,$-]{20,})",
            1,
            always,
        ),
        (
            Form::Mail,
            r"[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}",
            0,
            always,
        ),
    ];
    specs
        .into_iter()
        .filter_map(|(form, pattern, secret, may_be)| {
            Some(Rule {
                regex: compile(pattern)?,
                form,
                secret,
                may_be,
            })
        })
        .collect()
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pattern_compiles_and_every_form_has_a_hint() {
        assert_eq!(RULES.len(), 16);
        assert!(HINT_FINDER.is_some());
        assert_eq!(hints("Bearer abcdef"), 1 << Form::Scheme as u16);
        for (prefix, _) in MAKERS {
            assert!(hints(prefix) & 1 << Form::Maker as u16 != 0, "{prefix}");
        }
    }

    #[test]
    fn a_key_is_known_by_its_makers_mark() {
        for (prefix, rest) in MAKERS {
            // What can follow: letters that all alphabets here have, and the
            // signs that some patterns want.
            let body = match *rest {
                r"[0-9A-Za-z_-]{10,}\.[0-9A-Za-z_-]{10,}" => "abcdefabcd.abcdefabcd".to_owned(),
                r"[0-9a-z]+\$[0-9a-f]{16,}" => format!("abc${}", "abcdef12".repeat(4)),
                rest if rest.starts_with("[a-z]-") => format!("b-{}", "abcdef12".repeat(4)),
                rest if rest.starts_with("[0-9A-Z]") => "ABCDEF12".repeat(4),
                rest if rest.ends_with("{43}") => "abcdef12".repeat(6)[..43].to_owned(),
                _ => "abcdef12".repeat(4),
            };
            let text = format!("with {prefix}{body} it failed");
            let mut masked = Cow::Borrowed(text.as_str());
            mask(&mut masked);
            assert_eq!(masked, "with *** it failed", "{prefix}");
        }
    }
}

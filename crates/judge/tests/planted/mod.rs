//! Secrets of every kind that the redactor claims, made up, and the forms in
//! which logs show them.
//!
//! Tests of other crates include this file by its path: what is planted must be
//! the same wherever it is looked for. No secret stands here: each is put
//! together from chance, so that no scanner of secrets finds one.

use serde_json::{Value, json};

/// Kinds that there are at least.
pub const LEAST_KINDS: usize = 40;

/// Bytes of a secret that may not show in a row.
const MOST_SHOWN_BYTES: usize = 7;

/// A secret, and what a careless program logs of it.
#[derive(Clone, Debug)]
pub struct Planted {
    /// What it is.
    pub kind: &'static str,
    /// What is logged; some secrets take several lines.
    pub text: String,
    /// What must not be seen of it.
    pub secrets: Vec<String>,
}

impl Planted {
    /// What shows of it in a text, if anything does.
    pub fn leak<'t>(&self, shown: &'t str) -> Option<&'t str> {
        self.secrets.iter().find_map(|secret| {
            let most = secret.len().min(MOST_SHOWN_BYTES + 1);
            let parts = secret.as_bytes().windows(most);
            let mut parts = parts.filter_map(|part| std::str::from_utf8(part).ok());
            let at = parts.find_map(|part| shown.find(part))?;
            shown.get(at..at + most)
        })
    }

    /// The lines of a log that shows it as an error.
    pub fn logged(&self, form: Form) -> String {
        form.write(&self.text)
    }
}

/// How a log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Text after a level.
    Plain,
    /// A JSON object, the text in its message.
    Json,
    /// The same with the text as JSON within the message.
    JsonInJson,
    /// `level=error msg="…"`.
    Logfmt,
    /// The message of an uncaught exception, and of its cause.
    Trace,
}

impl Form {
    pub const ALL: [Self; 5] = [
        Self::Plain,
        Self::Json,
        Self::JsonInJson,
        Self::Logfmt,
        Self::Trace,
    ];

    fn write(self, text: &str) -> String {
        match self {
            Self::Plain => format!("ERROR handler failed: {text}"),
            Self::Json => {
                json!({"level": "error", "msg": format!("handler failed: {text}")}).to_string()
            }
            Self::JsonInJson => {
                let inner = json!({"what": text}).to_string();
                json!({"level": "error", "msg": format!("handler failed: {inner}")}).to_string()
            }
            Self::Logfmt => {
                let msg = Value::from(format!("handler failed: {text}"));
                format!("level=error msg={msg} attempt=2")
            }
            Self::Trace => format!(
                "Exception in thread \"main\" java.lang.IllegalStateException: {text}\n\
                 \tat com.example.Api.call(Api.java:39)\n\
                 Caused by: com.example.Denied: {text}\n\
                 \tat com.example.Client.send(Client.java:7)"
            ),
        }
    }
}

/// Chance that is the same everywhere (Marsaglia's xorshift64*).
struct Chance(u64);

const DIGITS: &str = "0123456789";
const HEX: &str = "0123456789abcdef";
const CAPITALS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const SMALL: &str = "abcdefghijklmnopqrstuvwxyz0123456789";
const LETTERS: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
const BASE64: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+/";

impl Chance {
    fn of(&mut self, alphabet: &str, len: usize) -> String {
        let letters = alphabet.as_bytes();
        let mut next = || {
            self.0 ^= self.0 >> 12;
            self.0 ^= self.0 << 25;
            self.0 ^= self.0 >> 27;
            let drawn = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
            letters[usize::try_from(drawn).unwrap_or_default() % letters.len()]
        };
        (0..len).map(|_| char::from(next())).collect()
    }

    /// A password as people choose them: a word, then something.
    fn password(&mut self) -> String {
        format!("otter{}", self.of("bcdfghjklmnpqrstvwxz", 7))
    }
}

/// One of each kind, different for each seed.
pub fn all(seed: u64) -> Vec<Planted> {
    let chance = &mut Chance(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut all = keys(chance);
    all.extend(headers(chance));
    all.extend(written_keys(chance));
    all.extend(connections(chance));
    all.extend(blocks(chance));
    all.extend(other(chance));
    all
}

/// The text, with `{}` for the secret.
fn one(kind: &'static str, text: &str, secret: String) -> Planted {
    Planted {
        kind,
        text: text.replace("{}", &secret),
        secrets: vec![secret],
    }
}

/// Keys that their makers mark: what stands before them, the alphabet, and how
/// many follow.
const MARKED: &[(&str, &[&str], &str, usize)] = &[
    ("Amazon access key", &["AK", "IA"], CAPITALS, 16),
    ("Amazon session key", &["AS", "IA"], CAPITALS, 16),
    ("Alibaba access key", &["LT", "AI5t"], LETTERS, 20),
    ("Tencent secret id", &["AK", "ID"], LETTERS, 32),
    ("Google API key", &["AI", "zaSy"], LETTERS, 33),
    ("Google access token", &["ya", "29.a0"], LETTERS, 60),
    ("Google OAuth secret", &["GOC", "SPX-"], LETTERS, 28),
    ("DigitalOcean token", &["dop", "_v1_"], HEX, 64),
    ("Heroku key", &["HR", "KU-AA"], LETTERS, 58),
    ("GitHub token", &["gh", "p_"], LETTERS, 36),
    (
        "GitHub fine-grained token",
        &["github", "_pat_"],
        LETTERS,
        82,
    ),
    ("GitHub app token", &["gh", "s_"], LETTERS, 36),
    ("GitLab token", &["gl", "pat-"], LETTERS, 20),
    ("GitLab job token", &["glc", "bt-64_"], LETTERS, 20),
    ("Atlassian token", &["ATA", "TT3xFf"], LETTERS, 120),
    ("Slack bot token", &["xo", "xb-"], LETTERS, 40),
    ("Slack app token", &["xa", "pp-1-A"], LETTERS, 40),
    ("Stripe key", &["sk", "_live_"], LETTERS, 24),
    ("Stripe webhook secret", &["wh", "sec_"], LETTERS, 32),
    ("Square token", &["sq0", "atp-"], LETTERS, 22),
    ("Shopify token", &["sh", "pat_"], HEX, 32),
    ("npm token", &["np", "m_"], LETTERS, 36),
    ("PyPI token", &["py", "pi-AgEIcHlwaS5vcmc"], LETTERS, 60),
    ("RubyGems key", &["ruby", "gems_"], HEX, 48),
    ("Docker token", &["dckr", "_pat_"], LETTERS, 27),
    ("OpenAI key", &["sk", "-proj-"], LETTERS, 48),
    ("Anthropic key", &["sk", "-ant-api03-"], LETTERS, 93),
    ("Hugging Face token", &["h", "f_"], LETTERS, 34),
    ("Groq key", &["gs", "k_"], LETTERS, 52),
    ("Vault token", &["hv", "s.CAES"], LETTERS, 90),
    ("Databricks token", &["da", "pi"], HEX, 32),
    ("Grafana token", &["gl", "sa_"], LETTERS, 32),
    ("New Relic key", &["NR", "AK-"], CAPITALS, 27),
    ("Mailgun key", &["ke", "y-"], HEX, 32),
    ("Tailscale key", &["ts", "key-auth-"], LETTERS, 30),
    ("age key", &["AGE-SECRET", "-KEY-1"], CAPITALS, 58),
];

fn keys(chance: &mut Chance) -> Vec<Planted> {
    let mut all: Vec<Planted> = MARKED
        .iter()
        .map(|(kind, mark, alphabet, len)| {
            let secret = format!("{}{}", mark.concat(), chance.of(alphabet, *len));
            one(kind, "the call with {} was refused", secret)
        })
        .collect();
    let dotted = |chance: &mut Chance, parts: &[(&str, usize)]| {
        let parts = parts.iter();
        let parts: Vec<String> = parts
            .map(|(mark, len)| format!("{mark}{}", chance.of(LETTERS, *len)))
            .collect();
        parts.join(".")
    };
    all.extend([
        one(
            "JSON web token",
            "claims of {} are not ours",
            dotted(chance, &[("eyJ", 33), ("eyJ", 60), ("", 43)]),
        ),
        one(
            "SendGrid key",
            "mail with {} failed",
            dotted(chance, &[("SG", 0), ("", 22), ("", 43)]),
        ),
        one(
            "Terraform token",
            "workspace {} is locked",
            dotted(chance, &[("", 14), ("atlasv1", 0), ("", 62)]),
        ),
        one(
            "Azure client secret",
            "login with {} failed",
            format!("{}8Q~{}", chance.of(LETTERS, 3), chance.of(LETTERS, 34)),
        ),
        one(
            "Amazon secret key",
            "signed with {} just now",
            chance.of(BASE64, 40),
        ),
        one(
            "token without a mark",
            "the peer sent {} twice",
            chance.of(LETTERS, 32),
        ),
    ]);
    all
}

fn headers(chance: &mut Chance) -> Vec<Planted> {
    let long = |chance: &mut Chance| chance.of(LETTERS, 24);
    vec![
        one("bearer header", "Authorization: Bearer {}", long(chance)),
        one(
            "basic header",
            "> authorization: Basic {}",
            format!("{}==", chance.of(LETTERS, 22)),
        ),
        one("other scheme", "Authorization: Token {}", long(chance)),
        one(
            "signature of a request",
            "Authorization: AWS4-HMAC-SHA256 Credential=x/20260102/eu, SignedHeaders=host, Signature={}",
            chance.of(HEX, 64),
        ),
        one(
            "digest header",
            "Authorization: Digest username=\"bob\", realm=\"r\", response=\"{}\"",
            chance.of(HEX, 32),
        ),
        one("header of a key", "X-Api-Key: {}", long(chance)),
        one(
            "headers as a list",
            "headers [('Accept', 'text/html'), ('X-Auth-Token', '{}')]",
            long(chance),
        ),
        one(
            "headers of Go",
            "header map[Accept:[*/*] Authorization:[Bearer {}]]",
            long(chance),
        ),
        one(
            "cookie",
            "Cookie: theme=\"dark blue\"; shop_sid={}",
            long(chance),
        ),
        one(
            "set cookie",
            "Set-Cookie: JSESSIONID={}; Path=/; HttpOnly",
            chance.of(CAPITALS, 32),
        ),
        one(
            "session id",
            "no session for session_id={} any more",
            chance.of(SMALL, 26),
        ),
        one("CSRF token", "csrf_token={} does not match", long(chance)),
    ]
}

/// Passwords and keys by what they are the value of.
fn written_keys(chance: &mut Chance) -> Vec<Planted> {
    let texts: &[(&'static str, &str)] = &[
        ("key=value", "retry with db_password={} user=bob"),
        ("environment", "env: PATH=/bin DB_PASSWORD={} HOME=/root"),
        ("JSON", r#"body {"user":"bob","password":"{}","n":1}"#),
        ("nested JSON", r#"body {"a":"{\"clientSecret\":\"{}\"}"}"#),
        ("YAML", "config: password: {}"),
        ("quoted YAML", "config: api_key: '{}'"),
        ("Python dict", "kwargs {'user': 'bob', 'passwd': '{}'}"),
        ("Java object", "Login{user=bob, password={}, n=1}"),
        ("Go struct", "config {User:bob Password:{} Port:1}"),
        ("Ruby hash", r#"params {:user=>"bob", :password=>"{}"}"#),
        (
            "XML",
            "<login><user>bob</user><password>{}</password></login>",
        ),
        ("flag", "exec: backup --user bob --password {} --all"),
        ("curl", "exec: curl -s -u bob:{} http://shop/x"),
        ("netrc", "machine shop login bob password {}"),
        ("SQL", "CREATE USER bob IDENTIFIED BY '{}'"),
        (
            "named value",
            r#"env [{"name":"DB_PASSWORD","value":"{}"}]"#,
        ),
        ("query", "GET /login?user=bob&access_token={}&page=2"),
        ("escaped query", "back to /x%3Fpassword%3D{}%26page%3D2"),
        ("second password", "form password_confirmation={}"),
        ("passphrase", "the passphrase: {}"),
        (
            "JAAS",
            r#"PlainLoginModule required username="bob" password="{}";"#,
        ),
    ];
    let mut all: Vec<Planted> = texts
        .iter()
        .map(|(kind, text)| one(kind, text, chance.password()))
        .collect();
    all.extend([
        one(
            "password with signs",
            "password={} user=bob",
            format!("{},p&{}", chance.of(SMALL, 8), chance.of(SMALL, 8)),
        ),
        one(
            "Azure subscription key",
            "Ocp-Apim-Subscription-Key: {}",
            chance.of(HEX, 32),
        ),
        one("Datadog key", "DD_API_KEY={}", chance.of(HEX, 32)),
        one(
            "TOTP seed",
            "otpauth://totp/Shop:bob?secret={}&issuer=Shop",
            chance.of(CAPITALS, 32),
        ),
        one("PIN", "card pin: {} was wrong", chance.of("123456789", 5)),
        one(
            "OAuth code",
            "GET /callback?state=x&code={}",
            chance.of(LETTERS, 30),
        ),
        one(
            "recovery phrase",
            "wallet mnemonic: {}",
            format!(
                "{} {} {}",
                chance.password(),
                chance.password(),
                chance.password()
            ),
        ),
    ]);
    all
}

fn connections(chance: &mut Chance) -> Vec<Planted> {
    let texts: &[(&'static str, &str)] = &[
        (
            "PostgreSQL",
            "connect postgres://app:{}@db:5432/shop failed",
        ),
        ("MongoDB", "mongodb+srv://app:{}@a.mongo.net,b.mongo.net/x"),
        ("Redis", "redis://:{}@cache:6379/0 timed out"),
        ("AMQP", "amqps://app:{}@mq:5671/%2f closed"),
        ("MySQL of Go", "app:{}@tcp(db:3306)/shop?parseTime=true"),
        ("Oracle", "jdbc:oracle:thin:scott/{}@db:1521/x"),
        ("JDBC", "jdbc:mysql://db/shop?user=app&password={}&ssl=1"),
        (
            "SQL Server",
            "Server=db;Database=x;User Id=sa;Password={};Encrypt=1",
        ),
        ("libpq", "host=db user=app password='{}' dbname=x"),
        ("ODBC", "Driver={SQL};Uid=sa;Pwd={{}};Trusted=0"),
        ("StackExchange.Redis", "cache:6380,password={},ssl=True"),
        ("proxy", "via http://bob:{}@proxy:3128/ refused"),
    ];
    let mut all: Vec<Planted> = texts
        .iter()
        .map(|(kind, text)| one(kind, text, chance.password()))
        .collect();
    all.extend(addresses(chance));
    all
}

/// Addresses that open what they lead to, and keys in connection strings.
fn addresses(chance: &mut Chance) -> Vec<Planted> {
    vec![
        one(
            "git over https",
            "fetch https://{}@git.example/a/b.git",
            format!("{}7", chance.of(LETTERS, 19)),
        ),
        one(
            "password with an at sign",
            "postgres://app:{}@db:5432/shop",
            format!("{}@{}", chance.of(SMALL, 8), chance.of(SMALL, 8)),
        ),
        one(
            "Azure storage",
            "DefaultEndpointsProtocol=https;AccountName=x;AccountKey={};EndpointSuffix=core",
            format!("{}==", chance.of(BASE64, 86)),
        ),
        one(
            "Azure service bus",
            "Endpoint=sb://x/;SharedAccessKeyName=root;SharedAccessKey={}",
            format!("{}=", chance.of(BASE64, 43)),
        ),
        one(
            "SAS signature",
            "GET https://x.blob.core/c/b?sv=2022-11-02&sp=r&sig={}%3D",
            chance.of(LETTERS, 43),
        ),
        one(
            "signed URL",
            "GET https://s3/x?X-Amz-Expires=60&X-Amz-Signature={}",
            chance.of(HEX, 64),
        ),
        one(
            "Sentry DSN",
            "report to https://{}@o1.ingest.example/2",
            chance.of(HEX, 32),
        ),
        one(
            "Slack webhook",
            "POST https://hooks.slack.com/services/{}",
            format!(
                "T{}/B{}/{}",
                chance.of(CAPITALS, 8),
                chance.of(CAPITALS, 8),
                chance.of(LETTERS, 24)
            ),
        ),
        one(
            "Discord webhook",
            "POST https://discord.com/api/webhooks/123456789012345678/{}",
            chance.of(LETTERS, 68),
        ),
        one(
            "Teams webhook",
            "POST https://x.webhook.office.com/webhookb2/{}",
            format!(
                "{}@{}/IncomingWebhook",
                chance.of(HEX, 32),
                chance.of(HEX, 32)
            ),
        ),
        one(
            "Telegram bot",
            "GET https://api.telegram.org/bot{}/getMe",
            format!(
                "{}:AA{}",
                chance.of("123456789", 10),
                chance.of(LETTERS, 33)
            ),
        ),
    ]
}

/// Keys that take several lines, and what holds one.
fn blocks(chance: &mut Chance) -> Vec<Planted> {
    let mut block = |kind: &'static str, name: &str, text: &str| {
        let lines: Vec<String> = [64, 64, 64, 64, 27]
            .map(|len| chance.of(BASE64, len))
            .to_vec();
        let dashes = "-".repeat(5);
        let key = format!(
            "{dashes}BEGIN {name}{dashes}\n{}\n{dashes}END {name}{dashes}",
            lines.join("\n")
        );
        Planted {
            kind,
            text: text.replace("{}", &key),
            secrets: lines,
        }
    };
    let rsa = ["RSA PRIV", "ATE KEY"].concat();
    let ssh = ["OPENSSH PRIV", "ATE KEY"].concat();
    let pgp = ["PGP PRIV", "ATE KEY BLOCK"].concat();
    let plain = ["PRIV", "ATE KEY"].concat();
    vec![
        block("RSA key", &rsa, "cannot parse {}"),
        block("SSH key", &ssh, "cannot parse {}"),
        block("PGP key", &pgp, "cannot parse {}"),
        block(
            "service account",
            &plain,
            "account {\"private_key\": \"{}\"}",
        ),
        one(
            "kubeconfig key",
            "user: {client-key-data: {}}",
            format!("LS0tLS1CRUdJTi{}", chance.of(LETTERS, 120)),
        ),
        one(
            "kubeconfig token",
            "users: - name: admin user: token: {}",
            chance.of(LETTERS, 40),
        ),
        one(
            "registry credentials",
            r#"{"auths":{"ghcr.example":{"auth":"{}"}}}"#,
            format!("{}==", chance.of(LETTERS, 22)),
        ),
    ]
}

fn other(chance: &mut Chance) -> Vec<Planted> {
    let name = chance.of("bcdfghjklmnpqrstvwxz", 8);
    let mut digits: Vec<u32> = std::iter::once(4)
        .chain(
            chance
                .of(DIGITS, 14)
                .bytes()
                .map(|byte| u32::from(byte - b'0')),
        )
        .collect();
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, digit)| match place % 2 {
            0 => digit * 2 / 10 + digit * 2 % 10,
            _ => *digit,
        })
        .sum();
    digits.push((10 - sum % 10) % 10);
    let card: String = digits.iter().map(ToString::to_string).collect();
    let spaced = card
        .as_bytes()
        .chunks(4)
        .map(String::from_utf8_lossy)
        .collect::<Vec<_>>()
        .join(" ");
    vec![
        one(
            "mail address",
            "no account of {}example.com",
            format!("{name}.doe@"),
        ),
        one("card number", "card {} declined", card),
        one("card number in fours", "card {} declined", spaced),
        one(
            "bcrypt hash",
            "user bob has hash {}",
            format!("$2b$12${}", chance.of(LETTERS, 53)),
        ),
        one(
            "argon2 hash",
            "user bob has hash {}",
            format!(
                "$argon2id$v=19$m=65536,t=3,p=4${}${}",
                chance.of(LETTERS, 22),
                chance.of(LETTERS, 43)
            ),
        ),
    ]
}

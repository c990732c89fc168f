//! Thought signatures: opaque bytes that belong to one call of a tool and have
//! to come back with it. They carry what they are checked by, so that nothing
//! has to be remembered between requests.

use std::hash::{DefaultHasher, Hasher as _};

use base64::Engine as _;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use base64::{alphabet, engine::DecodePaddingMode};
use serde_json::Value;

/// Makes base64 with `+` and `/`, which a client that uses the other alphabet,
/// or puts it into a URL, gets wrong.
const MARK: [u8; 3] = [0xfb, 0xff, 0xfe];
/// Google's JSON takes both alphabets, with and without padding.
const STANDARD_ANY: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);
const URL_ANY: GeneralPurpose = GeneralPurpose::new(
    &alphabet::URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The signature of a call of a tool in the answer of this number.
pub(crate) fn sign(number: u64, name: &str, args: &Value) -> String {
    let mut bytes = MARK.to_vec();
    bytes.extend(number.to_be_bytes());
    bytes.extend(hash(number, name, args).to_be_bytes());
    STANDARD.encode(bytes)
}

/// Whether a signature is one of ours, and this call's.
pub(crate) fn verify(signature: &str, name: &str, args: &Value) -> bool {
    let decoded = STANDARD_ANY
        .decode(signature)
        .or_else(|_| URL_ANY.decode(signature));
    let Ok(bytes) = decoded else { return false };
    let Some(rest) = bytes.strip_prefix(&MARK) else {
        return false;
    };
    let Some((number, signed)) = rest.split_first_chunk::<8>() else {
        return false;
    };
    signed == hash(u64::from_be_bytes(*number), name, args).to_be_bytes()
}

/// Of the meaning: an absent object is an empty one, and 3 is 3.0 (a client
/// that keeps arguments in a `Struct` has no integers).
fn hash(number: u64, name: &str, args: &Value) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write_u64(number);
    hasher.write(name.as_bytes());
    if args.as_object().is_some_and(|args| !args.is_empty()) {
        write(args, &mut hasher);
    }
    hasher.finish()
}

fn write(value: &Value, hasher: &mut DefaultHasher) {
    match value {
        Value::Number(number) => {
            hasher.write_u8(b'n');
            hasher.write_u64(number.as_f64().unwrap_or_default().to_bits());
        }
        Value::Array(items) => {
            hasher.write_u8(b'a');
            hasher.write_usize(items.len());
            items.iter().for_each(|item| write(item, hasher));
        }
        Value::Object(fields) => {
            hasher.write_u8(b'o');
            hasher.write_usize(fields.len());
            for (key, field) in fields {
                hasher.write_usize(key.len());
                hasher.write(key.as_bytes());
                write(field, hasher);
            }
        }
        other => {
            let text = other.to_string();
            hasher.write_u8(b't');
            hasher.write_usize(text.len());
            hasher.write(text.as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_signature_is_its_calls_only() {
        let args = json!({"pod": "web-1", "lines": 3});
        let signature = sign(7, "get_logs", &args);
        assert!(signature.contains(['+', '/']), "{signature}");
        assert!(verify(&signature, "get_logs", &args));
        let in_url = signature.replace('+', "-").replace('/', "_");
        assert!(verify(in_url.trim_end_matches('='), "get_logs", &args));
        let floats = json!({"lines": 3.0, "pod": "web-1"});
        assert!(verify(&signature, "get_logs", &floats));
        for (name, args) in [
            ("get_pods", args.clone()),
            ("get_logs", json!({"pod": "web-2", "lines": 3})),
            ("get_logs", json!({})),
        ] {
            assert!(!verify(&signature, name, &args), "{name} {args}");
        }
        assert_ne!(signature, sign(8, "get_logs", &args), "each step its own");
        for wrong in [
            "",
            "skip_thought_signature_validator",
            "AAAA",
            &signature[4..],
        ] {
            assert!(!verify(wrong, "get_logs", &args), "{wrong}");
        }
        assert!(verify(&sign(1, "f", &Value::Null), "f", &json!({})));
    }
}

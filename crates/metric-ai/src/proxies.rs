//! Which proxy an address is reached through: the environment's words, by the
//! rules that our requests themselves follow.

use std::fmt;

use http::Uri;
use hyper_util::client::proxy::matcher::{Intercept, Matcher};

/// The environment's words on proxies, as they are. They may hold passwords
/// and are not shown.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Proxies {
    /// `ALL_PROXY`, for addresses that the next two say nothing of.
    pub all: String,
    /// `HTTP_PROXY`.
    pub http: String,
    /// `HTTPS_PROXY`.
    pub https: String,
    /// `NO_PROXY`: hosts, domains and networks that are reached directly.
    pub no: String,
}

/// How an address is reached.
#[derive(Debug)]
pub enum Way {
    /// There is no proxy for it.
    Direct,
    /// There is a proxy, and `NO_PROXY` excepts the address from it.
    Excepted,
    /// Through this one.
    Through(Intercept),
}

impl Proxies {
    /// The way to an address.
    pub fn way(&self, address: &Uri) -> Way {
        let found = |no: &str| {
            Matcher::builder()
                .all(self.all.as_str())
                .http(self.http.as_str())
                .https(self.https.as_str())
                .no(no)
                .build()
                .intercept(address)
        };
        match found(&self.no) {
            Some(proxy) => Way::Through(proxy),
            None if found("").is_some() => Way::Excepted,
            None => Way::Direct,
        }
    }
}

impl fmt::Debug for Proxies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxies").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_to_an_address() {
        let proxies = Proxies {
            all: String::new(),
            http: "http://plain:3128".into(),
            https: "me:hunter2@secure:3129".into(),
            no: "10.0.0.0/8, .cluster.local,127.0.0.1".into(),
        };
        let table = [
            ("http://example.org", "http://plain:3128/"),
            ("https://example.org", "http://secure:3129/"),
            ("https://10.1.2.3", "excepted"),
            ("http://agent.shop.svc.cluster.local:8080", "excepted"),
            ("http://notcluster.local", "http://plain:3128/"),
            ("http://127.0.0.1:80", "excepted"),
        ];
        let shown = |proxies: &Proxies, address: &str| match proxies.way(&address.parse().unwrap())
        {
            Way::Through(proxy) => proxy.uri().to_string(),
            Way::Excepted => "excepted".to_owned(),
            Way::Direct => "direct".to_owned(),
        };
        for (address, expected) in table {
            assert_eq!(shown(&proxies, address), expected, "{address}");
        }
        assert_eq!(shown(&Proxies::default(), "https://example.org"), "direct");
        let all = Proxies {
            all: "http://all".into(),
            ..Proxies::default()
        };
        assert_eq!(shown(&all, "https://example.org"), "http://all/");
        assert_eq!(format!("{proxies:?}"), "Proxies { .. }");
    }
}

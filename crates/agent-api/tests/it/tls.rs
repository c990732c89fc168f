use agent_api::{AgentUrl, Cause, Client, Limits};
use agent_stand_in::{AgentStandIn, Answer, Options, Script, Server, Tls};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;

use crate::{AMPLE, http_builder, question};

async fn agent(name: &str) -> (Server, CertificateDer<'static>) {
    let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
    let key = made.signing_key.serialize_pem();
    let options = Options {
        tls: Some(Tls::from_pem(&made.cert.pem(), &key).unwrap()),
        ..Options::default()
    };
    let script = Script::always(Answer::Good);
    let server = AgentStandIn::serve_with(script, options).await.unwrap();
    (server, made.cert.der().clone())
}

fn client(server: &Server, trusted: &[CertificateDer<'static>]) -> Client {
    let mut roots = RootCertStore::empty();
    for authority in trusted {
        roots.add(authority.clone()).unwrap();
    }
    let http = http_builder(roots).no_proxy().build().unwrap();
    let url = AgentUrl::parse(&server.url()).unwrap();
    Client::new(http, url, None, Limits::default())
}

#[tokio::test]
async fn a_trusted_agent_answers() {
    let (server, certificate) = agent("127.0.0.1").await;
    let client = client(&server, &[certificate]);
    client.health().await.unwrap();
    client.analyze(&question(), AMPLE).await.unwrap();
}

#[tokio::test]
async fn an_untrusted_one_gets_nothing_and_the_mend_is_said() {
    let (server, _) = agent("127.0.0.1").await;
    let (other_name, certificate) = agent("agent.example").await;
    for (server, trusted) in [(&server, vec![]), (&other_name, vec![certificate])] {
        let client = client(server, &trusted);
        let asked = client.analyze(&question(), AMPLE).await.unwrap_err();
        let health = client.health().await.unwrap_err();
        for error in [asked, health] {
            let text = error.to_string();
            assert!(
                matches!(error.cause(), Cause::Untrusted { .. }),
                "{error:?}"
            );
            for part in ["certificate", "SSL_CERT_FILE", "check URL"] {
                assert!(text.contains(part), "{text}");
            }
        }
        assert_eq!(server.requests(), []);
    }
}

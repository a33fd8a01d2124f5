//! From a host to a connection: the name is looked up, every address is checked, and the address checked is the one connected to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;
use url::Url;

use super::address::{self, Reach};
use super::fault::FetchError;
use super::fetch::Resolver;

/// How long one address may take before the next is tried beside it (RFC 8305 5).
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// A connection, whatever lies between.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Looks names up and checks every address.
#[derive(Debug)]
#[allow(missing_docs)]
pub struct CheckedResolver {
    pub reach: Reach,
    pub resolver: Arc<dyn Resolver>,
}

impl CheckedResolver {
    /// The addresses a name leads to, at least one.
    async fn resolve(&self, name: &str) -> Result<Vec<IpAddr>, FetchError> {
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        let addresses: Vec<IpAddr> = if address::is_localhost_name(&name) {
            // RFC 6761 6.3: these names are this machine, whatever a resolver says.
            vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]
        } else {
            self.resolver.lookup(&name).await.map_err(|_| FetchError::Dns)?
        };
        // One refused address refuses the name: an attacker's DNS must not choose which of several is used.
        if addresses.iter().any(|found| address::is_refused(*found, self.reach)) {
            return Err(FetchError::Address);
        }
        let admitted = self.resolver.admit(addresses);
        if admitted.is_empty() { Err(FetchError::Dns) } else { Ok(admitted) }
    }
}

/// A connection to host and port of a URL. An address literal in the URL was checked with the URL.
pub async fn dial(resolver: &CheckedResolver, url: &Url) -> Result<Box<dyn Stream>, FetchError> {
    let port = url.port_or_known_default().ok_or(FetchError::Client)?;
    let addresses = match address::literal(url) {
        Some(literal) => vec![literal],
        None => resolver.resolve(url.host_str().unwrap_or_default()).await?,
    };
    let stream = first(addresses.into_iter().map(|ip| SocketAddr::new(ip, port))).await?;
    // A request is one small write: waiting for more data before sending gains nothing.
    let _ = stream.set_nodelay(true);
    Ok(Box::new(stream))
}

/// The first connection that is established. An address that does not answer does not keep the next from being tried.
async fn first(mut addresses: impl Iterator<Item = SocketAddr>) -> Result<TcpStream, FetchError> {
    let mut attempts = JoinSet::new();
    let mut error = FetchError::Dns;
    let mut more = true;
    loop {
        match addresses.next() {
            Some(address) => drop(attempts.spawn(TcpStream::connect(address))),
            None => more = false,
        }
        let ended =
            if more { timeout(ATTEMPT_DELAY, attempts.join_next()).await } else { Ok(attempts.join_next().await) };
        match ended {
            Ok(Some(Ok(Ok(stream)))) => return Ok(stream),
            Ok(Some(Ok(Err(failed)))) => error = FetchError::connecting(&failed),
            Ok(Some(Err(_))) => error = FetchError::Client,
            Ok(None) if !more => return Err(error),
            Ok(None) | Err(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fetch::Lookup;
    use super::*;

    #[derive(Debug)]
    struct Nowhere;

    impl Resolver for Nowhere {
        fn lookup(&self, _: &str) -> Lookup {
            Box::pin(async { Ok(Vec::new()) })
        }
    }

    #[tokio::test]
    async fn localhost_names_never_leave_this_machine() {
        let resolver = CheckedResolver { reach: Reach::ThisMachine, resolver: Arc::new(Nowhere) };
        for name in ["localhost", "a.b.localhost"] {
            assert!(resolver.resolve(name).await.unwrap().iter().all(IpAddr::is_loopback));
        }
        assert_eq!(resolver.resolve("a.test").await, Err(FetchError::Dns));
    }

    #[tokio::test]
    async fn after_an_address_that_refuses_the_next_is_tried() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let open = listener.local_addr().unwrap();
        let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        assert_eq!(first([closed, open].into_iter()).await.unwrap().peer_addr().unwrap(), open);
        assert_eq!(first([closed, closed].into_iter()).await.unwrap_err(), FetchError::Refused);
        assert_eq!(first(std::iter::empty()).await.unwrap_err(), FetchError::Dns);
    }
}

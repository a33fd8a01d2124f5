//! Who asks a provider on behalf of a refresh: by which way, and whom last.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::time::Instant;

use super::discovery::{Discovery, Metadata, Next};
use super::fetch::{Document, Fetch, FetchError, Request, Response};
use super::{ProviderError, key_file, proxy};
use crate::policy::issuer::Issuer;
use crate::policy::transport::Transport;

/// Sends requests and remembers whom the last one went to.
pub struct Asker {
    pub fetch: Arc<dyn Fetch>,
    pub transport: Arc<Transport>,
    /// Whom the last request went to, or the proxy that kept it from getting there: of a failure, who is to be looked at.
    pub asked: Arc<Mutex<Option<Box<str>>>>,
}

impl Asker {
    /// The metadata of an issuer. `until` says when the step that begins now must have ended.
    ///
    /// # Errors
    /// [`ProviderError::DiscoveryFetch`] and [`ProviderError::Discovery`].
    pub async fn metadata(&self, issuer: &Issuer, until: impl Fn() -> Instant) -> Result<Metadata, ProviderError> {
        let (mut discovery, mut next) = Discovery::begin(issuer)?;
        loop {
            match next {
                Next::Found(metadata) => return Ok(metadata),
                Next::Fetch(url) => {
                    let request = Request::get(&url, &self.transport, Document::Metadata, until());
                    let response = self.send(request).await.map_err(ProviderError::DiscoveryFetch)?;
                    next = discovery.answer(&response)?;
                }
            }
        }
    }

    /// Sends a request; its deadline is kept whatever the network does.
    ///
    /// # Errors
    /// [`FetchError`].
    pub async fn send(&self, request: Request<'_>) -> Result<Response, FetchError> {
        self.remember(request.url.url().host_str());
        let answer = tokio::time::timeout_at(request.deadline, self.fetch.fetch(request)).await;
        let answer = answer.unwrap_or(Err(FetchError::BodyTimeout));
        if answer.as_ref().is_err_and(|error| error.is_the_proxys()) {
            let proxy = proxy::choose(&self.transport.proxies, request.url.url());
            self.remember(proxy.and_then(|proxy| proxy.url().host_str()));
        }
        answer.map(|answer| Response { body: key_file::without_mark(answer.body), ..answer })
    }

    fn remember(&self, host: Option<&str>) {
        *self.asked.lock().unwrap_or_else(PoisonError::into_inner) = host.map(Into::into);
    }
}

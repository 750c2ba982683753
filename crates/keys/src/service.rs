//! The remote key service: wrapping and opening, asked over gRPC.
//!
//! [`Service`] is the side that asks. [`Listener`] is the side that answers with a keyring. There is neither
//! encryption nor authentication on the way: whoever reaches the socket may use its keys.
//!
//! Follows: `keyservice.proto` and `keyservice/server.go` of sops 3.13.2.

use std::fmt;

use sealfast_sops::master_key::MasterKey;
use tonic::transport::{Channel, Endpoint};
use tonic_prost::ProstCodec;
use zeroize::Zeroizing;

use crate::error::Error;
use crate::http::{CONNECT_TIMEOUT, TIMEOUT, chain, clean};

mod message;
mod server;

use message::{DECRYPT, DecryptRequest, DecryptResponse, ENCRYPT, EncryptRequest, EncryptResponse};
pub use server::{Approve, Listener, Question};

/// A remote key service; nothing is sent before it is asked.
#[derive(Clone)]
pub struct Service {
    address: String,
    endpoint: Endpoint,
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Service").field(&self.address).finish()
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.address)
    }
}

impl Service {
    /// Reads an address: `tcp://host:port` or `unix:///path`.
    ///
    /// # Errors
    /// [`Error::ServiceAddress`] for anything else.
    pub fn parse(address: &str) -> Result<Self, Error> {
        let refuse = |reason| Error::ServiceAddress { address: address.to_owned(), reason };
        let uri = match address.split_once("://") {
            Some(("tcp", host))
                if host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok()) =>
            {
                format!("http://{host}")
            }
            Some(("tcp", _)) => return Err(refuse("it has no port")),
            Some(("unix", path)) if path.starts_with('/') => format!("unix://{path}"),
            Some(("unix", _)) => return Err(refuse("the path of the socket does not begin at the root")),
            _ => return Err(refuse("it begins neither with tcp:// nor with unix://")),
        };
        let endpoint = Endpoint::from_shared(uri)
            .map_err(|_| refuse("it has characters that do not belong there"))?
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(TIMEOUT);
        Ok(Self { address: address.to_owned(), endpoint })
    }

    /// Asks the service to open a wrapped data key or share.
    pub(crate) async fn unwrap(&self, key: &MasterKey) -> Result<Zeroizing<Vec<u8>>, Error> {
        let question = DecryptRequest { key: Some(key.into()), ciphertext: key.enc().as_bytes().to_vec() };
        let mut answer: DecryptResponse = self.ask(DECRYPT, question).await?;
        Ok(Zeroizing::new(std::mem::take(&mut answer.plaintext)))
    }

    /// Asks the service to wrap a data key or share.
    pub(crate) async fn wrap(&self, key: &MasterKey, secret: &[u8]) -> Result<String, Error> {
        let question = EncryptRequest { key: Some(key.into()), plaintext: secret.to_vec() };
        let answer: EncryptResponse = self.ask(ENCRYPT, question).await?;
        String::from_utf8(answer.ciphertext)
            .map_err(|_| self.failed("the wrapped data key is no text".to_owned()))
    }

    async fn ask<Q, A>(&self, path: &'static str, question: Q) -> Result<A, Error>
    where
        Q: prost::Message + Send + Sync + 'static,
        A: prost::Message + Default + Send + Sync + 'static,
    {
        // A connection belongs to the runtime that made it, so none is kept for the next question.
        let channel: Channel = self.endpoint.connect().await.map_err(|error| self.failed(chain(&error)))?;
        let mut client = tonic::client::Grpc::new(channel);
        client.ready().await.map_err(|error| self.failed(chain(&error)))?;
        let codec: ProstCodec<Q, A> = ProstCodec::default();
        let path = http::uri::PathAndQuery::from_static(path);
        let answer = client
            .unary(tonic::Request::new(question), path, codec)
            .await
            .map_err(|status| self.failed(format!("{:?}: {}", status.code(), clean(status.message()))))?;
        Ok(answer.into_inner())
    }

    fn failed(&self, reason: String) -> Error {
        Error::Service { address: self.address.clone(), reason }
    }
}

#[cfg(test)]
mod tests {
    use super::Service;

    #[test]
    fn addresses_are_tcp_or_unix() {
        for right in
            ["tcp://127.0.0.1:5000", "tcp://keys.example:5000", "tcp://[::1]:5000", "unix:///run/ks.sock"]
        {
            assert!(Service::parse(right).is_ok_and(|service| service.to_string() == right), "{right}");
        }
        for wrong in ["", "127.0.0.1:5000", "tcp://127.0.0.1", "unix://ks.sock", "http://a:1", "tcp://a b:1"]
        {
            assert!(Service::parse(wrong).is_err(), "{wrong}");
        }
    }
}

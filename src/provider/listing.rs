//! A list of services, read one by one while it arrives. Guarantees that the text that was read (passwords included)
//! is wiped when more is read, and that a list which ends too early is an error instead of a shorter list.

use super::{
    elements::{Elements, Heading, Listed},
    error::ProviderError,
};
use reqwest::Response;
use secrecy::zeroize::Zeroize as _;

/// A list in progress.
pub struct Listing {
    doing: String,
    response: Response,
    failed: Box<dyn Fn(reqwest::Error) -> ProviderError + Send + Sync>,
    chunk: Vec<u8>,
    read: usize,
    elements: Elements,
}

impl Listing {
    pub(super) fn new(
        doing: String,
        response: Response,
        limit: usize,
        failed: Box<dyn Fn(reqwest::Error) -> ProviderError + Send + Sync>,
    ) -> Self {
        Self { doing, response, failed, chunk: Vec::new(), read: 0, elements: Elements::new(limit) }
    }

    /// The next service that `wanted` accepts; `wanted` is called once for every service of the list that has a name.
    pub async fn next(
        &mut self,
        mut wanted: impl FnMut(&str, &Heading<'_>) -> bool,
    ) -> Result<Option<Listed>, ProviderError> {
        loop {
            while self.read < self.chunk.len() {
                let (read, listed) = self.elements.take(&self.chunk[self.read..], &mut wanted);
                self.read += read;
                if listed.is_some() {
                    return Ok(listed);
                }
            }
            self.chunk.zeroize();
            match self.response.chunk().await {
                Ok(Some(chunk)) => {
                    self.chunk.extend_from_slice(&chunk);
                    self.read = 0;
                }
                Ok(None) if self.elements.is_whole() => return Ok(None),
                Ok(None) => return Err(self.unreadable("it is not a whole list of services".to_owned())),
                Err(error) => return Err((self.failed)(error)),
            }
        }
    }

    /// How many services so far were too large or had no name, so that any service may be among them.
    pub fn nameless(&self) -> usize {
        self.elements.nameless()
    }

    fn unreadable(&self, cause: String) -> ProviderError {
        ProviderError::Unreadable { doing: self.doing.clone(), cause }
    }
}

//! Uploads in parts that were never ended: a manager that is killed leaves one behind, which is invisible and costs money.
//!
//! Guarantees: only uploads below the key of one backup are aborted, so that no other backup under way suffers. What is
//! there is what the store lists: nothing has to be remembered, whenever a manager was killed.

use crate::{
    error::{BackupError, ErrorClass},
    store::Store,
};
use object_store::{
    ClientOptions,
    aws::AmazonS3,
    client::{HttpClient, HttpConnector as _, HttpRequest, HttpRequestBody, ReqwestConnector},
    multipart::MultipartStore as _,
    path::Path,
    signer::{SignedUrlOptions, Signer as _},
};
use reqwest::{Method, StatusCode};
use serde::Deserialize;
use std::{sync::Arc, time::Duration};

/// How long a signed request is valid.
const VALIDITY: Duration = Duration::from_mins(5);
/// More lists, of a thousand uploads each, than any backup needs.
const MOST_LISTS: usize = 100;

/// The uploads of a bucket.
#[derive(Clone, Debug)]
pub(crate) struct Uploads {
    bucket: Arc<AmazonS3>,
    http: HttpClient,
}

/// The answer to `ListMultipartUploads`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Listed {
    #[serde(default)]
    is_truncated: bool,
    #[serde(default)]
    upload: Vec<Upload>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Upload {
    key: String,
    upload_id: String,
}

impl Uploads {
    pub(crate) fn of(bucket: Arc<AmazonS3>, options: &ClientOptions) -> object_store::Result<Self> {
        Ok(Self { bucket, http: ReqwestConnector::default().connect(options)? })
    }

    /// Lists uploads whose keys begin with this; the first thousand.
    async fn list(&self, beginning: &str) -> Result<Listed, BackupError> {
        let query = [("uploads", ""), ("prefix", beginning)];
        let query = SignedUrlOptions::default().with_query(query);
        let url = self.bucket.signed_url_opts(Method::GET, &Path::default(), VALIDITY, &query).await;
        let url = url.map_err(|error| failed(&error))?;
        let mut request = HttpRequest::new(HttpRequestBody::empty());
        *request.uri_mut() = url.as_str().parse().map_err(|_| answered(ErrorClass::Invalid, "no URL"))?;
        // The error of a client may have the URL in it, and that the signature.
        let unreachable = |_| answered(ErrorClass::Transient, "the store does not answer");
        let answer = self.http.execute(request).await.map_err(unreachable)?;
        let status = answer.status();
        if !status.is_success() {
            return Err(answered(class(status), &format!("the store answered {status}")));
        }
        let body = answer.into_body().bytes().await.map_err(unreachable)?;
        quick_xml::de::from_reader(&body[..])
            .map_err(|error| answered(ErrorClass::Invalid, &error.to_string()))
    }
}

impl Store {
    /// Aborts all uploads in parts below this key; answers how many there were.
    pub async fn abort_uploads(&self, key: &str) -> Result<usize, BackupError> {
        let Some(uploads) = &self.uploads else { return Ok(0) };
        let beginning = format!("{}/", self.path(key, "")?);
        let mut aborted = 0;
        for _ in 0..MOST_LISTS {
            let listed = uploads.list(&beginning).await?;
            // A store that does not know the parameter lists the uploads of others as well.
            let ours = listed.upload.iter().filter(|upload| upload.key.starts_with(&beginning));
            for upload in ours {
                let path = Path::parse(&upload.key);
                let path = path.map_err(|error| answered(ErrorClass::Invalid, &error.to_string()))?;
                match uploads.bucket.abort_multipart(&path, &upload.upload_id).await {
                    Ok(()) => aborted += 1,
                    Err(object_store::Error::NotFound { .. }) => {}
                    Err(error) => return Err(failed(&error)),
                }
            }
            if !listed.is_truncated {
                break;
            }
        }
        Ok(aborted)
    }
}

const DOING: &str = "abort uploads that were cut off";

fn failed(error: &object_store::Error) -> BackupError {
    BackupError::store(DOING, error)
}

fn answered(class: ErrorClass, cause: &str) -> BackupError {
    BackupError::Store { doing: DOING.to_owned(), class, cause: cause.to_owned() }
}

fn class(status: StatusCode) -> ErrorClass {
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => ErrorClass::Denied,
        StatusCode::NOT_FOUND => ErrorClass::NotFound,
        StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT => ErrorClass::Transient,
        StatusCode::NOT_IMPLEMENTED => ErrorClass::Invalid,
        status if status.is_client_error() => ErrorClass::Invalid,
        _ => ErrorClass::Transient,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answer_of_a_store_is_read() {
        let one = "<Upload><Key>a/k</Key><UploadId>1</UploadId><StorageClass>X</StorageClass></Upload>";
        let answer = |uploads: &str| {
            format!(
                "<?xml version=\"1.0\"?>\n<ListMultipartUploadsResult xmlns=\"http://x/\"><Bucket>b</Bucket>\
                     <IsTruncated>false</IsTruncated>{uploads}</ListMultipartUploadsResult>"
            )
        };
        for (uploads, count) in [(String::new(), 0), (one.to_owned(), 1), (one.repeat(2), 2)] {
            let listed: Listed = quick_xml::de::from_str(&answer(&uploads)).unwrap();
            assert_eq!((listed.upload.len(), listed.is_truncated), (count, false));
        }
    }
}

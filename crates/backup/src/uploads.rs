//! Uploads in parts that were never ended: a manager that is killed leaves one behind, which is invisible and costs money.
//!
//! Azure has no request that aborts one: it drops blocks that were not committed a week after the last of them.
//!
//! Guarantees: only uploads below the key of one backup are aborted, so that no other backup under way suffers. What is
//! there is what the store lists: nothing has to be remembered, whenever a manager was killed.

use crate::{
    error::{BackupError, ErrorClass},
    staged,
    store::Store,
};
use object_store::{
    ClientOptions,
    aws::AmazonS3,
    client::{HttpClient, HttpConnector as _, HttpRequest, HttpRequestBody, ReqwestConnector},
    gcp::GoogleCloudStorage,
    multipart::MultipartStore as _,
    path::Path,
    signer::{SignedUrlOptions, Signer as _},
};
use reqwest::{
    Method, StatusCode, Url,
    header::{AUTHORIZATION, HeaderValue},
};
use serde::Deserialize;
use std::{path::PathBuf, sync::Arc, time::Duration};

/// How long a signed request is valid.
const VALIDITY: Duration = Duration::from_mins(5);
/// More lists, of a thousand uploads each, than any backup needs.
const MOST_LISTS: usize = 100;

/// Where a store has its uploads.
#[derive(Clone, Debug)]
pub(crate) enum Uploads {
    Bucket(BucketUploads),
    /// As files of it.
    Folder(PathBuf),
}

/// The uploads of a bucket. S3 and Google Cloud Storage list them alike.
#[derive(Clone, Debug)]
pub(crate) struct BucketUploads {
    bucket: Bucket,
    http: HttpClient,
}

#[derive(Clone, Debug)]
enum Bucket {
    S3(Arc<AmazonS3>),
    /// With its URL.
    Gcs(Arc<GoogleCloudStorage>, Url),
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

impl BucketUploads {
    pub(crate) fn of_s3(bucket: Arc<AmazonS3>, options: &ClientOptions) -> object_store::Result<Self> {
        Ok(Self { bucket: Bucket::S3(bucket), http: ReqwestConnector::default().connect(options)? })
    }

    pub(crate) fn of_gcs(
        bucket: Arc<GoogleCloudStorage>,
        (endpoint, name): (&str, &str),
        options: &ClientOptions,
    ) -> object_store::Result<Self> {
        let wrong =
            |_| object_store::Error::Generic { store: "GCS", source: "the endpoint is no URL".into() };
        let url = Url::parse(&format!("{endpoint}/{name}")).map_err(wrong)?;
        Ok(Self { bucket: Bucket::Gcs(bucket, url), http: ReqwestConnector::default().connect(options)? })
    }

    async fn abort_below(&self, beginning: &str) -> Result<usize, BackupError> {
        let mut aborted = 0;
        for _ in 0..MOST_LISTS {
            let listed = self.list(beginning).await?;
            // A store that does not know the parameter lists the uploads of others as well.
            let ours = listed.upload.iter().filter(|upload| upload.key.starts_with(beginning));
            for upload in ours {
                aborted += usize::from(self.bucket.abort(upload).await?);
            }
            if !listed.is_truncated {
                break;
            }
        }
        Ok(aborted)
    }

    /// Lists uploads whose keys begin with this; the first thousand.
    async fn list(&self, beginning: &str) -> Result<Listed, BackupError> {
        let request = self.bucket.request(&[("uploads", ""), ("prefix", beginning)]).await?;
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

impl Bucket {
    /// A request to read the bucket with this query.
    async fn request(&self, query: &[(&str, &str)]) -> Result<HttpRequest, BackupError> {
        let mut request = HttpRequest::new(HttpRequestBody::empty());
        let url = match self {
            Self::S3(bucket) => {
                let query = SignedUrlOptions::default().with_query(query.iter().copied());
                let url = bucket.signed_url_opts(Method::GET, &Path::default(), VALIDITY, &query).await;
                url.map_err(|error| failed(&error))?
            }
            Self::Gcs(bucket, url) => {
                let credential = bucket.credentials().get_credential().await;
                let bearer = format!("Bearer {}", credential.map_err(|error| failed(&error))?.bearer);
                let mut bearer = HeaderValue::try_from(bearer)
                    .map_err(|_| answered(ErrorClass::Denied, "the token has odd characters"))?;
                bearer.set_sensitive(true);
                request.headers_mut().insert(AUTHORIZATION, bearer);
                let mut url = url.clone();
                url.query_pairs_mut().extend_pairs(query);
                url
            }
        };
        *request.uri_mut() = url.as_str().parse().map_err(|_| answered(ErrorClass::Invalid, "no URL"))?;
        Ok(request)
    }

    async fn abort(&self, upload: &Upload) -> Result<bool, BackupError> {
        let path = Path::parse(&upload.key);
        let path = path.map_err(|error| answered(ErrorClass::Invalid, &error.to_string()))?;
        let aborted = match self {
            Self::S3(bucket) => bucket.abort_multipart(&path, &upload.upload_id).await,
            Self::Gcs(bucket, _) => bucket.abort_multipart(&path, &upload.upload_id).await,
        };
        match aborted {
            Ok(()) => Ok(true),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(failed(&error)),
        }
    }
}

impl Store {
    /// Aborts all uploads in parts below this key; answers how many there were.
    pub async fn abort_uploads(&self, key: &str) -> Result<usize, BackupError> {
        let below = self.path(key, "")?;
        match &self.uploads {
            None => Ok(0),
            Some(Uploads::Bucket(uploads)) => uploads.abort_below(&format!("{below}/")).await,
            Some(Uploads::Folder(folder)) => staged::remove(&folder.join(below.as_ref())),
        }
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

//! What a request asks for, and how an answer is written. Both know the resources that there are, and nothing of how
//! requests are carried out.

pub(crate) mod body;
pub(crate) mod render;
pub(crate) mod request;

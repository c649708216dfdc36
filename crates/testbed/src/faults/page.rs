//! The page that a proxy on the way answers with.

/// The page of a proxy that has no better answer.
pub(crate) fn proxy_page(code: u16) -> String {
    let title = match code {
        404 => "404 Not Found",
        503 => "503 Service Temporarily Unavailable",
        504 => "504 Gateway Time-out",
        _ => "502 Bad Gateway",
    };
    format!(
        "<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{title}</h1></center>\r\n\
         <hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
    )
}

//! Code of the documentation that tests run.

/// The first block of code below the heading of this name, of the third level.
pub fn code_below<'page>(page: &'page str, heading: &str) -> Option<&'page str> {
    let section = page.split(&format!("\n### {heading}\n")).nth(1)?;
    Some(section.split("\n```").nth(1)?.split_once('\n')?.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_is_that_below_the_heading() {
        let page = "# P\n\n### a\n\nText.\n\n```sh\none\ntwo\n```\n\n### b\n\n```js\nthree\n```\n";
        assert_eq!(code_below(page, "a"), Some("one\ntwo"));
        assert_eq!(code_below(page, "b"), Some("three"));
        assert_eq!(code_below(page, "c"), None);
    }
}

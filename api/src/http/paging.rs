//! Pages: `limit` and `cursor` in, the next page in the `Link` header out (RFC 8288).
//!
//! A page is bounded whatever is asked. The list a cursor belongs to is the path with the filters in the order they
//! were given; how large a page is and how fresh it must be are no filters, so they may change between pages.

use crate::http::{
    answer::json,
    cursor::{self, Place},
    names::{AFTER, CONFIRM, WAIT_MS},
    parameters::Parameters,
    problem::Problem,
};
use axum::{
    http::{HeaderValue, StatusCode, header},
    response::Response,
};
use serde::Serialize;
use std::ops::RangeInclusive;
use url::form_urlencoded;
use utoipa::IntoParams;

pub(crate) const LIMIT: &str = "limit";
pub(crate) const CURSOR: &str = "cursor";
/// Parameters that are not part of what a list is.
const NOT_FILTERS: &[&str] = &[LIMIT, CURSOR, CONFIRM, AFTER, WAIT_MS];

/// For the documentation: the parameters of a paged list.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "read by the derive only")]
pub(crate) struct PageParameters {
    /// How many at most
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<u32>,
    /// Where to go on: taken from the `Link` header of the page before
    cursor: Option<String>,
}

/// Which page of a list is asked for.
#[derive(Debug)]
pub(crate) struct PageRequest<P> {
    pub(crate) limit: u32,
    pub(crate) after: Option<P>,
    scope: String,
    /// The address of the next page, up to its cursor.
    next: String,
}

impl<P: Place> PageRequest<P> {
    pub(crate) fn read(parameters: &mut Parameters, limits: RangeInclusive<u32>, default: u32) -> Self {
        let filters = encoded(parameters, NOT_FILTERS);
        let scope = format!("{}?{filters}", parameters.path());
        let kept = encoded(parameters, &NOT_FILTERS[1..]);
        let separator = if kept.is_empty() { "" } else { "&" };
        let next = format!("{}?{kept}{separator}{CURSOR}=", parameters.path());
        let opened = parameters.text(CURSOR).map(|text| cursor::open(&scope, text));
        Self {
            limit: parameters.number(LIMIT, limits, default),
            after: opened.and_then(|opened| parameters.check(opened)),
            scope,
            next,
        }
    }

    /// What the list is, by path and filters.
    pub(crate) fn scope(&self) -> &str {
        &self.scope
    }

    /// The cursor of the page that goes on behind this place.
    pub(crate) fn cursor(&self, end: &P) -> String {
        cursor::seal(&self.scope, end)
    }

    /// The `Link` header of a page that ends at this place.
    fn link(&self, end: &P) -> Option<HeaderValue> {
        HeaderValue::from_str(&format!("<{}{}>; rel=\"next\"", self.next, self.cursor(end))).ok()
    }

    /// Says where the next page is, if there is one.
    pub(crate) fn link_to(&self, end: Option<&P>, response: &mut Response) {
        if let Some(link) = end.and_then(|end| self.link(end)) {
            response.headers_mut().insert(header::LINK, link);
        }
    }

    /// How many rows to look for: the one more only tells that there is another page.
    pub(crate) fn rows(&self) -> u32 {
        self.limit + 1
    }

    /// The answer with the rows that were looked for.
    pub(crate) fn answer<Row, Resource>(
        &self,
        mut found: Vec<Row>,
        place_of: impl Fn(&Row) -> P,
    ) -> Result<Response, Problem>
    where
        Resource: From<Row> + Serialize,
    {
        let more = found.len() > self.limit as usize;
        found.truncate(self.limit as usize);
        let end = found.last().filter(|_| more).map(place_of);
        self.answer_up_to::<Row, Resource>(found, end)
    }

    /// The answer with these rows; the next page goes on behind `end`, if there is one.
    pub(crate) fn answer_up_to<Row, Resource>(&self, rows: Vec<Row>, end: Option<P>) -> Result<Response, Problem>
    where
        Resource: From<Row> + Serialize,
    {
        let content: Vec<Resource> = rows.into_iter().map(Resource::from).collect();
        let mut response = json(StatusCode::OK, &content)?;
        self.link_to(end.as_ref(), &mut response);
        Ok(response)
    }
}

fn encoded(parameters: &Parameters, without: &[&str]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters.without(without)).finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: &[&str] = &["limit", "cursor", "after", "wait_ms", "distance"];

    fn page(uri: &str) -> (PageRequest<String>, bool) {
        let mut parameters = Parameters::read(&uri.parse().unwrap(), KNOWN);
        let page = PageRequest::read(&mut parameters, 1..=1000, 100);
        (page, parameters.finish().is_ok())
    }

    fn next(page: &PageRequest<String>) -> String {
        let link = page.link(&"p7".to_owned()).unwrap();
        let link = link.to_str().unwrap();
        link.strip_prefix('<').unwrap().strip_suffix(">; rel=\"next\"").unwrap().to_owned()
    }

    #[test]
    fn the_link_leads_to_the_next_page_with_the_same_filters_and_limit() {
        let (first, _) = page("/api/x?limit=5&distance=7&after=locations:0:1");
        let link = next(&first);
        assert!(link.starts_with("/api/x?limit=5&distance=7&cursor="), "{link}");
        let (second, good) = page(&link);
        assert!(good);
        assert_eq!((second.limit, second.after.as_deref()), (5, Some("p7")));
    }

    #[test]
    fn the_limit_may_change_and_the_filters_may_not() {
        let link = next(&page("/api/x?distance=7").0);
        assert!(page(&format!("{link}&limit=9")).1);
        assert!(!page(&link.replace("distance=7", "distance=8")).1);
        assert!(!page(&link.replace("/api/x", "/api/y")).1);
    }
}

//! The web page, the API description and its viewer. Everything is in the binary.

use std::sync::LazyLock;

use axum::Router;
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use utoipa_swagger_ui::{Config, SwaggerUi};

use crate::error::Problem;
use crate::openapi::openapi_json;
use crate::state::ApiState;

const PAGE_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);
const REVALIDATE: HeaderValue = HeaderValue::from_static("public, max-age=10");

static OPENAPI: LazyLock<Bytes> = LazyLock::new(|| Bytes::from(openapi_json()));

/// The page and the viewer of the API description.
pub(crate) fn pages() -> Router<ApiState> {
    let index = || page("text/html; charset=utf-8", include_str!("../web/index.html"));
    let script = || page("text/javascript; charset=utf-8", include_str!("../web/app.js"));
    let style = || page("text/css; charset=utf-8", include_str!("../web/style.css"));
    Router::new()
        .route("/", get(async move || index()))
        .route("/app.js", get(async move || script()))
        .route("/style.css", get(async move || style()))
        .merge(SwaggerUi::new("/docs").config(Config::from("/openapi.json")))
}

fn page(content_type: &'static str, text: &'static str) -> Response {
    let headers: [(HeaderName, HeaderValue); 3] = [
        (header::CONTENT_TYPE, HeaderValue::from_static(content_type)),
        (header::CONTENT_SECURITY_POLICY, PAGE_POLICY),
        (header::CACHE_CONTROL, REVALIDATE),
    ];
    (headers, text).into_response()
}

/// This description.
///
/// OpenAPI 3.1.
#[utoipa::path(
    get, path = "/openapi.json", tag = "operations",
    responses((status = 200, description = "The API description", body = Object))
)]
pub async fn get_openapi() -> Response {
    let json = HeaderValue::from_static("application/json");
    let headers = [(header::CONTENT_TYPE, json), (header::CACHE_CONTROL, REVALIDATE)];
    (headers, OPENAPI.clone()).into_response()
}

/// Any other path.
pub(crate) async fn not_found() -> Problem {
    Problem::not_found("There is no such path; see /openapi.json.")
}

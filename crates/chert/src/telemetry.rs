//! Logs and traces.

use anyhow::Context;
use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::WithExportConfig;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

use crate::config::Telemetry;

/// Flushes traces when dropped.
pub struct TelemetryGuard(Option<SdkTracerProvider>);

impl Drop for TelemetryGuard {
    fn drop(&mut self) {
        if let Some(provider) = self.0.take() {
            // Nobody is left to tell; the collector may be gone.
            let _ = provider.shutdown();
        }
    }
}

/// Installs the subscriber; logs go to standard error.
pub fn install(telemetry: &Telemetry) -> anyhow::Result<TelemetryGuard> {
    let filter = match std::env::var(EnvFilter::DEFAULT_ENV) {
        Ok(filter) => filter,
        Err(_) => telemetry.log_filter.clone(),
    };
    let filter = EnvFilter::try_new(&filter).with_context(|| {
        format!("the log filter {filter:?} is not valid; try \"info\" or \"chert_indexer=debug\"")
    })?;
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let lines = match telemetry.log_format.as_str() {
        "json" => lines.json().flatten_event(true).boxed(),
        _ => lines.with_target(false).boxed(),
    };
    let provider = match telemetry.otlp_endpoint.as_str() {
        "" => None,
        endpoint => Some(provider(endpoint)?),
    };
    let traces =
        provider.as_ref().map(|p| tracing_opentelemetry::layer().with_tracer(p.tracer("chert")));
    tracing_subscriber::registry().with(filter).with(lines).with(traces).try_init().ok();
    Ok(TelemetryGuard(provider))
}

fn provider(endpoint: &str) -> anyhow::Result<SdkTracerProvider> {
    let exporter = opentelemetry_otlp::SpanExporter::builder()
        .with_tonic()
        .with_endpoint(endpoint)
        .build()
        .with_context(|| format!("telemetry.otlp_endpoint {endpoint} cannot be used"))?;
    let resource = Resource::builder().with_service_name("chert-api").build();
    Ok(SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource).build())
}

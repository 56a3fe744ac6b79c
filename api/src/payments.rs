//! The payment provider that the settings name, and where it sends its messages.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use anyhow::Context;
use commands::clock::Clock;
use commands::payments::PaymentProvider;
use commands::payments::guarded::Guarded;
use commands::payments::nobody::Nobody;
use commands::payments::sandbox::{Sandbox, SandboxSettings};
use commands::payments::stripe::{Stripe, StripeSettings};
use commands::secret::Secret;
use sqlx::PgPool;
use tokio::sync::watch;

use crate::config::{self, Config, PaymentsConfig};
use crate::database;

/// Connections of the sandbox, which is somebody else's service: it has its own.
const SANDBOX_CONNECTIONS: u32 = 4;

/// Starts it. The sandbox sends its messages to `address`, once that is known.
///
/// # Errors
/// If the database or the network cannot be used.
pub async fn start(
    config: &Config,
    pool: &PgPool,
    clock: &Arc<dyn Clock>,
    address: watch::Receiver<Option<String>>,
) -> anyhow::Result<Arc<dyn PaymentProvider>> {
    let provider: Arc<dyn PaymentProvider> = match &config.payments {
        PaymentsConfig::None => return Ok(Arc::new(Nobody)),
        PaymentsConfig::Sandbox { webhook_secrets, delay } => {
            let books = database::service_pool(&config.database, SANDBOX_CONNECTIONS).await?;
            let secrets = secrets(webhook_secrets);
            let settings = SandboxSettings { secrets, delay: *delay, address };
            let sandbox = Sandbox::start(books, clock.clone(), settings);
            Arc::new(sandbox.context("the sandbox cannot be started")?)
        }
        PaymentsConfig::Stripe { api_key, webhook_secrets, api_url } => {
            let settings = StripeSettings {
                api_key: Secret::new(api_key.reveal()),
                webhook_secrets: secrets(webhook_secrets),
                api_url: api_url.clone(),
            };
            let stripe = Stripe::new(pool.clone(), clock.clone(), settings);
            Arc::new(stripe.context("Stripe cannot be spoken to")?)
        }
    };
    Ok(Arc::new(Guarded::new(provider, clock.clone())))
}

fn secrets(set: &[config::Secret]) -> Vec<Secret> {
    set.iter().map(|secret| Secret::new(secret.reveal())).collect()
}

/// Where a service that listens here takes the provider's messages.
pub fn webhook_address(mut listening: SocketAddr) -> String {
    if listening.ip().is_unspecified() {
        let is_v4 = listening.is_ipv4();
        listening.set_ip(if is_v4 {
            Ipv4Addr::LOCALHOST.into()
        } else {
            Ipv6Addr::LOCALHOST.into()
        });
    }
    format!("http://{listening}/api/shop/webhook/payment")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_go_to_this_very_service() {
        let addresses = [
            ("127.0.0.1:8000", "http://127.0.0.1:8000/api/shop/webhook/payment"),
            ("0.0.0.0:80", "http://127.0.0.1:80/api/shop/webhook/payment"),
            ("[::]:80", "http://[::1]:80/api/shop/webhook/payment"),
        ];
        for (listening, address) in addresses {
            assert_eq!(webhook_address(listening.parse().unwrap()), address);
        }
    }
}

//! From where a request comes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use axum::extract::{ConnectInfo, Request};
use axum::http::HeaderMap;

const X_FORWARDED_FOR: &str = "x-forwarded-for";
/// One customer has so many bits of IPv6 addresses in common, and as many addresses as they like.
const CUSTOMERS_BITS: u8 = 64;

/// Addresses that begin with the same bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

/// A text that is no network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoNetwork;

impl Network {
    /// Whether the address is in it.
    #[must_use]
    pub fn contains(self, address: IpAddr) -> bool {
        self.address.is_ipv4() == address.is_ipv4()
            && first_bits(address, self.bits) == first_bits(self.address, self.bits)
    }
}

impl FromStr for Network {
    type Err = NoNetwork;

    /// `10.0.0.0/8`, `fd00::/8`, or a single address.
    fn from_str(text: &str) -> Result<Self, NoNetwork> {
        let (address, bits) = text.split_once('/').map_or((text, None), |(a, b)| (a, Some(b)));
        let address: IpAddr = address.parse().map_err(|_| NoNetwork)?;
        let all = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Ok(all), |bits| bits.parse().map_err(|_| NoNetwork))?;
        if bits > all { Err(NoNetwork) } else { Ok(Self { address, bits }) }
    }
}

/// The address with all bits after the first ones at zero.
fn first_bits(address: IpAddr, bits: u8) -> IpAddr {
    match address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(32_u32.saturating_sub(bits.into())).unwrap_or(0);
            IpAddr::V4(Ipv4Addr::from_bits(v4.to_bits() & mask))
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(128_u32.saturating_sub(bits.into())).unwrap_or(0);
            IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & mask))
        }
    }
}

/// From where a request comes: its peer, or, if that is a proxy of ours, from where the proxy says that
/// it came. What stands further in front was written by anybody.
pub(super) fn of(request: &Request, trusted_proxies: &[Network]) -> IpAddr {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    let peer = peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.0.ip().to_canonical());
    let is_proxy = trusted_proxies.iter().any(|network| network.contains(peer));
    let address = forwarded(request.headers()).filter(|_| is_proxy).unwrap_or(peer);
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(_) => first_bits(address, CUSTOMERS_BITS),
    }
}

/// The last address in the last header: the one that the nearest proxy wrote.
fn forwarded(headers: &HeaderMap) -> Option<IpAddr> {
    let last = headers.get_all(X_FORWARDED_FOR).iter().next_back()?.to_str().ok()?;
    let address: IpAddr = last.rsplit(',').next()?.trim().parse().ok()?;
    Some(address.to_canonical())
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    fn from(peer: &str, forwarded: &[&str], trusted: &[&str]) -> String {
        let peer: SocketAddr = peer.parse().unwrap();
        let mut request = Request::builder().extension(ConnectInfo(peer));
        for value in forwarded {
            request = request.header(X_FORWARDED_FOR, *value);
        }
        let trusted: Vec<Network> = trusted.iter().map(|text| text.parse().unwrap()).collect();
        of(&request.body(Body::empty()).unwrap(), &trusted).to_string()
    }

    #[test]
    fn only_a_proxy_of_ours_is_believed_and_only_what_it_wrote_itself() {
        assert_eq!(from("10.0.0.2:5000", &["1.2.3.4"], &[]), "10.0.0.2");
        assert_eq!(from("10.0.0.2:5000", &["6.6.6.6, 1.2.3.4"], &["10.0.0.0/8"]), "1.2.3.4");
        assert_eq!(from("10.0.0.2:5000", &["6.6.6.6", "1.2.3.4"], &["10.0.0.2"]), "1.2.3.4");
        assert_eq!(from("11.0.0.2:5000", &["1.2.3.4"], &["10.0.0.0/8"]), "11.0.0.2");
        assert_eq!(from("10.0.0.2:5000", &["unknown"], &["10.0.0.0/8"]), "10.0.0.2");
        assert_eq!(from("[::ffff:10.0.0.2]:5000", &["1.2.3.4"], &["10.0.0.0/8"]), "1.2.3.4");
    }

    #[test]
    fn addresses_of_one_customer_are_one() {
        let one = from("[2001:db8:1:2:3::4]:5000", &[], &[]);
        assert_eq!(one, from("[2001:db8:1:2:ffff::1]:5000", &[], &[]));
        assert_ne!(one, from("[2001:db8:1:3::4]:5000", &[], &[]));
    }

    #[test]
    fn a_network_is_an_address_and_how_much_of_it_counts() {
        let contains = |network: &str, address: &str| {
            network.parse::<Network>().unwrap().contains(address.parse().unwrap())
        };
        assert!(contains("0.0.0.0/0", "1.2.3.4") && contains("::/0", "::1"));
        assert!(contains("fd00::/8", "fd12::1") && !contains("fd00::/8", "fe00::1"));
        assert!(!contains("0.0.0.0/0", "::1"));
        for text in ["", "10.0.0.0/33", "10.0.0/8", "::/129", "10.0.0.0/", "localhost"] {
            assert!(text.parse::<Network>().is_err(), "{text}");
        }
    }
}

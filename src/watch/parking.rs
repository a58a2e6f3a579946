//! Name servers of parking services and of registrars' "expired" zones: a domain that is delegated to one shows a stranger's page.

/// Domains whose name servers serve nothing else.
const PARKING: [&str; 28] = [
    "above.com",
    "afternic.com",
    "bodis.com",
    "cashparking.com",
    "dan.com",
    "domainparkingserver.net",
    "dopa.com",
    "dsredirection.com",
    "expiereddnsmanager.com",
    "fabulous.com",
    "fastpark.net",
    "huge-domains.com",
    "hugedomains.com",
    "namedrive.com",
    "parked.com",
    "parkingcrew.net",
    "parkingpage.namecheap.com",
    "parklogic.com",
    "parkpage.foundationapi.com",
    "pendingrenewaldeletion.com",
    "renewyourname.net",
    "sedoparking.com",
    "smartname.com",
    "suspended-domain.com",
    "trafficz.com",
    "undeveloped.com",
    "uniregistrymarket.link",
    "ztomy.com",
];

/// The first of these name servers that belongs to a parking service.
pub fn parked(name_servers: &[String]) -> Option<&str> {
    let is_within = |host: &str| {
        PARKING.iter().any(|domain| {
            host == *domain || host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'))
        })
    };
    name_servers.iter().map(String::as_str).find(|host| is_within(host))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_labels_count() {
        let of = |host: &str| parked(&[host.to_owned()]).is_some();
        assert!(of("ns1.sedoparking.com") && of("sedoparking.com"));
        assert!(
            !of("ns1.mysedoparking.com") && !of("ns1.sedoparking.com.example.jp") && !of("ns1.dan.example")
        );
        assert!(PARKING.is_sorted());
    }
}

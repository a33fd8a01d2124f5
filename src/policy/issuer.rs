//! Issuer identifiers as LibreChat normalises and compares them.

use crate::whitespace::trim;

const DISCOVERY_SUFFIX: &str = "/.well-known/openid-configuration";

/// `text` without surrounding white space, trailing slashes and one discovery suffix; `None` if nothing is left.
/// Case is kept and nothing is parsed: this is a comparison form, not a URL.
pub fn normalise(text: &str) -> Option<&str> {
    let text = trim(text).trim_end_matches('/');
    let text = text.strip_suffix(DISCOVERY_SUFFIX).unwrap_or(text);
    (!text.is_empty()).then_some(text)
}

/// The placeholder for the tenant in a multi-tenant provider's template (as Microsoft writes it).
const TENANT: &str = "{tenantid}";
/// The path segments that Microsoft's multi-tenant endpoints have in place of a tenant.
const ENDPOINTS: [&str; 3] = ["/common", "/organizations", "/consumers"];

/// The issuer a policy trusts: the text as configured, and its normal form.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Issuer {
    configured: Box<str>,
    normal: Box<str>,
    /// Whether a token's `iss` must be the configured text and nothing else.
    is_exact: bool,
    tenants: Option<Tenants>,
}

/// The issuers of one policy. Several are names of the same provider, each accepted exactly as written.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Issuers {
    first: Issuer,
    others: Box<[Issuer]>,
}

impl Issuers {
    /// One issuer.
    pub fn one(first: Issuer) -> Self {
        Self { first, others: Box::default() }
    }

    /// A list of them. `None` if it is empty.
    pub fn listed(issuers: Vec<Issuer>) -> Option<Self> {
        let mut exact = issuers.into_iter().map(|issuer| Issuer { is_exact: true, ..issuer });
        Some(Self { first: exact.next()?, others: exact.collect() })
    }

    /// The one whose metadata name the key URL.
    pub const fn first(&self) -> &Issuer {
        &self.first
    }

    /// All of them, in the order in which they are written.
    pub fn all(&self) -> impl Iterator<Item = &Issuer> {
        std::iter::once(&self.first).chain(&self.others)
    }

    /// Which of them an `iss` value is, by its place; see [`Issuer::accepts_token`].
    pub fn place_of(&self, iss: &str, tid: Option<&str>) -> Option<usize> {
        self.all().position(|issuer| issuer.accepts_token(iss, tid))
    }

    /// Whether a key published for the issuer `of` may vouch for a token of `iss`; see [`Issuer::accepts_key`].
    pub fn accepts_key(&self, of: Option<&str>, iss: &str) -> bool {
        self.all().any(|issuer| issuer.accepts_key(of, iss))
    }

    /// Whether tokens of several tenants may come from here.
    pub const fn is_multi_tenant(&self) -> bool {
        self.first.is_multi_tenant()
    }
}

/// The tenants of a multi-tenant provider that are let in.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Tenants {
    template: Box<str>,
    allowed: Vec<Box<str>>,
}

impl Issuer {
    /// `None` if the normal form is empty.
    pub fn parse(configured: &str) -> Option<Self> {
        let normal = normalise(configured)?.into();
        Some(Self { configured: configured.into(), normal, is_exact: false, tenants: None })
    }

    /// A provider that signs for many tenants, of which these are let in. `None` if the issuer has no place for a tenant:
    /// neither `{tenantid}` nor one of Microsoft's shared endpoints.
    pub fn parse_multi_tenant(configured: &str, allowed: &[String]) -> Option<Self> {
        let mut issuer = Self::parse(configured)?;
        let template = if issuer.normal.contains(TENANT) {
            issuer.normal.clone()
        } else {
            ENDPOINTS.iter().find_map(|endpoint| with_tenant_at(&issuer.normal, endpoint))?
        };
        issuer.tenants = Some(Tenants { template, allowed: allowed.iter().map(|tenant| (**tenant).into()).collect() });
        Some(issuer)
    }

    /// Whether tokens of several tenants may come from here.
    pub const fn is_multi_tenant(&self) -> bool {
        self.tenants.is_some()
    }

    /// Whether the configured text has a placeholder for the tenant and so cannot be fetched as a URL.
    pub fn is_template(&self) -> bool {
        self.is_multi_tenant() && self.normal.contains(TENANT)
    }

    /// Whether an `iss` value is this issuer: equal to the configured text or to its normal form, to the letter
    /// (RFC 7519 4.1.1). The value itself is not normalised: a token has one spelling. Of a multi-tenant provider, the
    /// template with the token's own `tid`, if that tenant is let in.
    pub fn accepts_token(&self, iss: &str, tid: Option<&str>) -> bool {
        match &self.tenants {
            None => *iss == *self.configured || (!self.is_exact && *iss == *self.normal),
            Some(Tenants { template, allowed }) => tid.is_some_and(|tid| {
                let expected = template.replace(TENANT, tid);
                let known = allowed.iter().any(|tenant| **tenant == *tid);
                known && (iss == expected || iss.strip_suffix('/') == Some(&expected))
            }),
        }
    }

    /// Every `iss` value that [`Self::accepts_token`] can accept.
    pub fn accepted(&self) -> Vec<String> {
        match &self.tenants {
            Some(Tenants { template, allowed }) => allowed
                .iter()
                .map(|tenant| template.replace(TENANT, tenant))
                .flat_map(|issuer| [format!("{issuer}/"), issuer])
                .collect(),
            None if self.is_exact || self.normal == self.configured => vec![self.configured.to_string()],
            None => vec![self.configured.to_string(), self.normal.to_string()],
        }
    }

    /// Whether metadata that names `issuer` belongs here (OpenID Connect Discovery 4.3). Of a multi-tenant provider it
    /// names the template.
    pub fn accepts_metadata(&self, issuer: &str) -> bool {
        match &self.tenants {
            None => *issuer == *self.configured || *issuer == *self.normal,
            Some(Tenants { template, .. }) => *issuer == **template || issuer.strip_suffix('/') == Some(template),
        }
    }

    /// Whether a key that the provider publishes for the issuer `of` may sign tokens of `iss`. Only the shared key sets
    /// of multi-tenant providers name issuers.
    pub fn accepts_key(&self, of: Option<&str>, iss: &str) -> bool {
        match (&self.tenants, of) {
            (None, _) | (_, None) => true,
            (Some(Tenants { template, .. }), Some(of)) => {
                let same = |a: &str, b: &str| a.trim_end_matches('/') == b.trim_end_matches('/');
                same(of, template) || same(of, iss)
            }
        }
    }

    /// The identifier as the provider itself writes it, as far as the configuration says: where that names the discovery document, without
    /// its suffix.
    pub fn identifier(&self) -> &str {
        if trim(&self.configured).trim_end_matches('/').ends_with(DISCOVERY_SUFFIX) {
            &self.normal
        } else {
            &self.configured
        }
    }

    /// The text as configured.
    pub fn configured(&self) -> &str {
        &self.configured
    }

    /// The normal form.
    pub fn normal(&self) -> &str {
        &self.normal
    }
}

fn with_tenant_at(issuer: &str, endpoint: &str) -> Option<Box<str>> {
    let (before, after) = issuer.split_once(endpoint)?;
    (after.is_empty() || after.starts_with('/')).then(|| format!("{before}/{TENANT}{after}").into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_itself_as_configured_and_without_the_discovery_suffix() {
        for (configured, identifier) in [
            ("https://a/", "https://a/"),
            ("https://a/r", "https://a/r"),
            ("https://a/r/.well-known/openid-configuration", "https://a/r"),
            ("https://a/r/.well-known/openid-configuration/", "https://a/r"),
        ] {
            assert_eq!(Issuer::parse(configured).unwrap().identifier(), identifier);
        }
    }

    #[test]
    fn accepts_the_configured_text_and_its_normal_form_only() {
        let issuer = Issuer::parse("https://a/").unwrap();
        assert!(issuer.accepts_token("https://a/", None) && issuer.accepts_metadata("https://a"));
        for iss in ["https://a//", "HTTPS://a", ""] {
            assert!(!issuer.accepts_token(iss, Some("t")) && !issuer.accepts_metadata(iss), "{iss}");
        }
        assert!(!Issuer::parse("https://a").unwrap().accepts_token("https://a/", None));
        assert_eq!(Issuer::parse(" / "), None);
    }

    #[test]
    fn of_a_list_each_is_accepted_to_the_letter_and_the_first_is_asked_for_metadata() {
        let parse = |text| Issuer::parse(text).unwrap();
        let list = ["https://sts.example/t/", "https://login.example/t/v2.0", "http://host/adfs/services/trust"];
        let issuers = Issuers::listed(list.map(parse).to_vec()).unwrap();
        for (place, iss) in list.into_iter().enumerate() {
            assert_eq!(issuers.place_of(iss, None), Some(place));
        }
        for iss in ["https://sts.example/t", "https://login.example/t/v2.0/", "https://host/adfs/services/trust", ""] {
            assert_eq!(issuers.place_of(iss, None), None, "{iss}");
        }
        assert!(issuers.first().accepts_metadata("https://sts.example/t"));
        assert!(!issuers.first().accepts_metadata("https://login.example/t/v2.0"));
        assert_eq!(Issuers::listed(vec![]), None);
        assert_eq!(Issuers::one(parse("https://a/")).place_of("https://a", None), Some(0));
    }

    #[test]
    fn lets_in_the_tenants_named_and_no_other() {
        let allowed = ["t1".to_owned(), "t2".to_owned()];
        for configured in [
            "https://login.example/common/v2.0",
            "https://login.example/organizations/v2.0/",
            "https://login.example/{tenantid}/v2.0",
        ] {
            let issuer = Issuer::parse_multi_tenant(configured, &allowed).unwrap();
            assert!(issuer.accepts_token("https://login.example/t1/v2.0", Some("t1")));
            assert!(issuer.accepts_token("https://login.example/t2/v2.0", Some("t2")));
            for (iss, tid) in [
                ("https://login.example/t1/v2.0", Some("t2")),
                ("https://login.example/t1/v2.0", None),
                ("https://login.example/t3/v2.0", Some("t3")),
                ("https://login.example/{tenantid}/v2.0", Some("{tenantid}")),
                ("https://login.example/common/v2.0", Some("common")),
                ("https://evil.example/t1/v2.0", Some("t1")),
            ] {
                assert!(!issuer.accepts_token(iss, tid), "{configured} {iss}");
            }
            assert!(issuer.accepts_metadata("https://login.example/{tenantid}/v2.0"));
            assert!(!issuer.accepts_metadata("https://login.example/t1/v2.0"));
            let iss = "https://login.example/t1/v2.0";
            assert!(issuer.accepts_key(None, iss) && issuer.accepts_key(Some(iss), iss));
            assert!(issuer.accepts_key(Some("https://login.example/{tenantid}/v2.0"), iss));
            assert!(!issuer.accepts_key(Some("https://login.example/t2/v2.0"), iss));
        }
        for configured in ["https://login.example/v2.0", "https://login.example/commons", "https://a"] {
            assert_eq!(Issuer::parse_multi_tenant(configured, &allowed), None, "{configured}");
        }
        let single = Issuer::parse("https://login.example/common/v2.0").unwrap();
        assert!(!single.accepts_metadata("https://login.example/{tenantid}/v2.0"));
    }
}

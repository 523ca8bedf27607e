//! Credentials and tokens (CNCF distribution, "Token Authentication
//! Specification" and "OAuth2 Token Authentication").

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::{self, HeaderValue};
use serde::Deserialize;

use crate::error::FetchError;
use crate::send::{body_within, expect_answer};
use crate::session::Inner;
use crate::target::Target;

/// Answers of token servers are small.
const MAX_TOKEN: u64 = 256 * 1024;
/// What we are called at token servers.
const CLIENT: &str = "bulkhead";
/// What a token is good for when its server does not say.
const DEFAULT_LIFE: Duration = Duration::from_secs(60);

/// What the user gave for one registry.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Credentials {
    /// A name and a password.
    Basic {
        /// The name.
        username: String,
        /// The password, or an access token in its place.
        password: String,
    },
    /// A refresh token.
    IdentityToken(String),
    /// A bearer token that the registry itself takes.
    RegistryToken(String),
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Basic { .. } => f.write_str("Basic(…)"),
            Self::IdentityToken(_) => f.write_str("IdentityToken(…)"),
            Self::RegistryToken(_) => f.write_str("RegistryToken(…)"),
        }
    }
}

/// A challenge as the plugin passed it on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Challenge {
    pub(crate) realm: String,
    pub(crate) service: String,
    pub(crate) scopes: Vec<String>,
}

impl Challenge {
    pub(crate) fn new(params: &[(String, String)]) -> Self {
        let all = |name: &str| -> Vec<String> {
            let named = params
                .iter()
                .filter(|(key, _)| key.eq_ignore_ascii_case(name));
            named.map(|(_, value)| value.clone()).collect()
        };
        let first = |name: &str| all(name).into_iter().next().unwrap_or_default();
        Self {
            realm: first("realm"),
            service: first("service"),
            scopes: all("scope"),
        }
    }
}

/// What is sent to the registry, and how to renew it.
#[derive(Clone)]
pub(crate) struct Authorization {
    pub(crate) header: HeaderValue,
    pub(crate) challenge: Option<Challenge>,
}

impl fmt::Debug for Authorization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authorization")
            .field("challenge", &self.challenge)
            .finish_non_exhaustive()
    }
}

/// Tokens by registry, challenge and user.
#[derive(Debug, Default)]
pub(crate) struct TokenCache(Mutex<HashMap<TokenKey, Token>>);

type TokenKey = (String, Challenge, Option<Credentials>);

#[derive(Clone)]
struct Token {
    header: HeaderValue,
    expires: Instant,
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token")
            .field("expires", &self.expires)
            .finish_non_exhaustive()
    }
}

impl TokenCache {
    fn get(&self, key: &TokenKey) -> Option<HeaderValue> {
        let mut tokens = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        tokens.retain(|_, token| token.expires > now);
        tokens.get(key).map(|token| token.header.clone())
    }

    fn put(&self, key: TokenKey, token: Token) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(key, token);
    }
}

/// Basic authentication of every request to the registry.
pub(crate) fn basic(inner: &Inner) -> Result<Authorization, FetchError> {
    match &inner.credentials {
        Some(Credentials::Basic { username, password }) => Ok(Authorization {
            header: basic_header(username, password)?,
            challenge: None,
        }),
        _ => Err(FetchError::Unauthorized(
            "no basic auth credentials".to_owned(),
        )),
    }
}

/// Gets a token for a challenge, from the cache when `refused` (the header the
/// registry did not like, if any) is another one.
pub(crate) async fn bearer(
    inner: &Inner,
    challenge: Challenge,
    refused: Option<&HeaderValue>,
) -> Result<Authorization, FetchError> {
    if let Some(Credentials::RegistryToken(token)) = &inner.credentials {
        let header = bearer_header(&inner.registry.name, token)?;
        let challenge = None;
        return Ok(Authorization { header, challenge });
    }
    let key = (
        inner.registry.name.clone(),
        challenge.clone(),
        inner.credentials.clone(),
    );
    let known = inner.fetcher.tokens.get(&key);
    // A login is to find out whether the credentials are good today.
    let known = known.filter(|header| Some(header) != refused && inner.login.is_none());
    if let Some(header) = known {
        return Ok(Authorization {
            header,
            challenge: Some(challenge),
        });
    }
    let token = fetch(inner, &challenge).await?;
    let header = token.header.clone();
    inner.fetcher.tokens.put(key, token);
    Ok(Authorization {
        header,
        challenge: Some(challenge),
    })
}

async fn fetch(inner: &Inner, challenge: &Challenge) -> Result<Token, FetchError> {
    let target = Target::parse(&challenge.realm)?;
    inner.check(&target).await?;
    let client = inner.client(&target).await?;
    let (method, request) = match &inner.credentials {
        Some(Credentials::IdentityToken(token)) => (
            "Post",
            client
                .post(target.url.clone())
                .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
                .body(refresh_form(challenge, token)),
        ),
        Some(Credentials::Basic { username, password }) => {
            let mut url = with_query(&target, challenge, Some(username));
            if inner.login.is_some() {
                let mut query = url.query_pairs_mut();
                query.append_pair("offline_token", "true");
                query.append_pair("client_id", CLIENT);
            }
            let request = client.get(url);
            let header = basic_header(username, password)?;
            ("Get", request.header(header::AUTHORIZATION, header))
        }
        _ => ("Get", client.get(with_query(&target, challenge, None))),
    };
    // Redirects are not followed: credentials are for this server alone.
    let response = expect_answer(inner, &target, method, request).await?;
    let status = response.status().as_u16();
    let body = body_within(inner, &target, response, MAX_TOKEN).await?;
    let unauthorized = |why: &str| {
        let url = &target.url;
        FetchError::Unauthorized(format!("{method} \"{url}\": unauthorized: {why}"))
    };
    match (status, method) {
        (200, _) => {
            let answer = read_answer(&challenge.realm, &body)?;
            if let (Some(login), Some(token)) = (&inner.login, &answer.refresh_token) {
                *login.lock().unwrap_or_else(PoisonError::into_inner) = token.clone();
            }
            token(&challenge.realm, answer)
        }
        (400 | 401 | 403, "Post") => Err(unauthorized(&refused_grant(&body))),
        (401 | 403, _) => Err(unauthorized("incorrect username or password")),
        _ => Err(FetchError::Refused(crate::Refusal::new(
            target.url.as_str(),
            status,
            &body,
        ))),
    }
}

fn with_query(target: &Target, challenge: &Challenge, account: Option<&str>) -> reqwest::Url {
    let mut url = target.url.clone();
    {
        let mut query = url.query_pairs_mut();
        for (name, value) in query_of(challenge) {
            query.append_pair(name, value);
        }
        if let Some(account) = account {
            query.append_pair("account", account);
        }
    }
    url
}

fn query_of(challenge: &Challenge) -> impl Iterator<Item = (&str, &str)> {
    let service =
        (!challenge.service.is_empty()).then_some(("service", challenge.service.as_str()));
    service.into_iter().chain(
        challenge
            .scopes
            .iter()
            .map(|scope| ("scope", scope.as_str())),
    )
}

/// A URL's query has the form's encoding; the host is of no matter.
fn refresh_form(challenge: &Challenge, token: &str) -> String {
    let mut url = reqwest::Url::parse("https://form.invalid/").expect("a constant that parses");
    url.query_pairs_mut()
        .append_pair("grant_type", "refresh_token")
        .append_pair("service", &challenge.service)
        .append_pair("scope", &challenge.scopes.join(" "))
        .append_pair("client_id", CLIENT)
        .append_pair("refresh_token", token);
    url.query().unwrap_or_default().to_owned()
}

/// Why a grant was refused (RFC 6749, section 5.2). Servers are not trusted
/// with the user's terminal.
fn refused_grant(body: &[u8]) -> String {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Refused {
        error: String,
        error_description: String,
    }
    let refused: Refused = serde_json::from_slice(body).unwrap_or_default();
    let words = [refused.error, refused.error_description];
    let words: Vec<&str> = words
        .iter()
        .map(String::as_str)
        .filter(|w| !w.is_empty())
        .collect();
    match words.is_empty() {
        true => "the identity token was refused".to_owned(),
        false => words
            .join(": ")
            .chars()
            .filter(|c| !c.is_control())
            .take(500)
            .collect(),
    }
}

#[derive(Deserialize)]
struct TokenAnswer {
    token: Option<String>,
    access_token: Option<String>,
    refresh_token: Option<String>,
    expires_in: Option<u64>,
}

fn invalid(realm: &str, reason: &str) -> FetchError {
    FetchError::Token {
        realm: realm.to_owned(),
        reason: reason.to_owned(),
    }
}

fn read_answer(realm: &str, body: &[u8]) -> Result<TokenAnswer, FetchError> {
    serde_json::from_slice(body).map_err(|_| invalid(realm, "its answer is not a token"))
}

fn token(realm: &str, answer: TokenAnswer) -> Result<Token, FetchError> {
    let token = answer
        .token
        .or(answer.access_token)
        .filter(|t| !t.is_empty());
    let missing = "authorization server did not include a token in the response";
    let header = bearer_header(realm, &token.ok_or_else(|| invalid(realm, missing))?)?;
    let life = answer.expires_in.map_or(DEFAULT_LIFE, Duration::from_secs);
    // A tenth early, and for a day at most.
    let life = life.min(Duration::from_secs(24 * 3600)).mul_f32(0.9);
    Ok(Token {
        header,
        expires: Instant::now() + life,
    })
}

fn bearer_header(realm: &str, token: &str) -> Result<HeaderValue, FetchError> {
    let mut header = HeaderValue::from_str(&format!("Bearer {token}"))
        .map_err(|_| invalid(realm, "its token holds characters no header may"))?;
    header.set_sensitive(true);
    Ok(header)
}

fn basic_header(username: &str, password: &str) -> Result<HeaderValue, FetchError> {
    let text = format!(
        "Basic {}",
        STANDARD.encode(format!("{username}:{password}"))
    );
    let mut header = HeaderValue::from_str(&text).expect("base64 is printable");
    header.set_sensitive(true);
    Ok(header)
}

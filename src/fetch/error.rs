//! Why a request to a provider brought nothing, and what to do about it.

use crate::http::transport::TransportError;
use crate::provider::{Definition, ReplyError};
use crate::util::clauses::add_clause;
use crate::util::hash::hash_of;
use crate::util::sanitize::excerpt;
use std::fmt;
use std::mem;

/// Why a request to a provider brought nothing.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum FetchError {
    /// There was no reply.
    Transport(TransportError),
    /// The status of the reply is an error.
    Status {
        /// The HTTP status.
        status: u16,
        /// The server's words, sanitized.
        text: String,
        /// The host to which it redirects.
        redirect: Option<String>,
        /// For how many seconds it asks to be left alone, if that is longer than this run can wait.
        retry_after: Option<u64>,
    },
    /// The API says that a limit is reached, without a 429.
    LimitReached {
        /// The API's words, sanitized.
        text: String,
        /// For how many seconds it asks to be left alone, if that is longer than this run can wait.
        retry_after: Option<u64>,
    },
    /// It asked an earlier run to be left alone, and was not asked.
    CoolingDown {
        /// The HTTP status of that reply.
        status: u16,
        /// For how many seconds more.
        seconds_left: u64,
    },
    /// The reply cannot be used.
    Reply(ReplyError),
    /// The time for fetching was over before the request was sent.
    NoTime,
    /// Every symbol of a batch that was asked alone is unknown, so the others were not asked alone. The text is
    /// the API's.
    AllBad(String),
}

impl FetchError {
    /// Whether nothing came back in time.
    pub(super) fn is_silence(&self) -> bool {
        matches!(self, Self::Transport(TransportError::Timeout { .. }) | Self::NoTime)
    }

    /// Whether it ends all further requests to the provider. They would fail in the same way, or do harm:
    /// some APIs ban a client that goes on after a 429.
    pub(crate) fn stops_provider(&self) -> bool {
        match self {
            Self::Transport(error) => matches!(
                error,
                TransportError::Resolve(_)
                    | TransportError::Connect { .. }
                    | TransportError::Proxy { .. }
                    | TransportError::Tls { .. }
            ),
            Self::Status { status, retry_after, .. } => {
                retry_after.is_some() || matches!(status, 401 | 403 | 418 | 429 | 451)
            }
            Self::NoTime | Self::CoolingDown { .. } | Self::LimitReached { .. } => true,
            Self::Reply(_) | Self::AllBad(_) => false,
        }
    }

    /// Whether the provider asked for a pause that is longer than a run, now or earlier.
    pub(crate) fn is_cool_down(&self) -> bool {
        matches!(
            self,
            Self::CoolingDown { .. }
                | Self::Status { retry_after: Some(_), .. }
                | Self::LimitReached { retry_after: Some(_), .. }
        )
    }

    /// Whether a limit of the machine kept the request from being sent.
    pub(crate) fn is_limit(&self) -> bool {
        matches!(self, Self::Transport(TransportError::Limit { .. }))
    }

    /// Whether it may be over with the next request.
    pub(crate) fn is_passing(&self) -> bool {
        matches!(
            self,
            Self::Transport(TransportError::Timeout { .. } | TransportError::Cut(_) | TransportError::Damaged { .. })
                | Self::Status { status: 408 | 425 | 500..=599, .. }
        )
    }

    /// What must be the same of two failures for one to be no news after the other. Those that pass take turns, and at the
    /// end of the time so do a request that is not answered and one that is not sent.
    pub(crate) fn kind(&self) -> u64 {
        match self {
            _ if self.is_passing() || self.is_silence() => 0,
            Self::Status { status, .. } => u64::from(*status),
            Self::Transport(error) => hash_of(&mem::discriminant(error)),
            _ => hash_of(&mem::discriminant(self)),
        }
    }

    /// Whether the provider refuses access, perhaps to single symbols only.
    pub(crate) fn is_forbidden(&self) -> bool {
        matches!(self, Self::Status { status: 403, .. })
    }

    /// What happened, and what to do about it. `keys` are the names of the keys that were sent.
    pub(crate) fn with_advice(&self, definition: &Definition, keys: &[&str]) -> String {
        add_clause(self, &self.advice(definition, keys))
    }

    /// What to do about it. Empty if its own words tell.
    fn advice(&self, definition: &Definition, keys: &[&str]) -> String {
        match self {
            Self::Status { status: 503, retry_after: Some(seconds), .. } => pause(*seconds),
            Self::Status { retry_after: Some(seconds), .. } | Self::LimitReached { retry_after: Some(seconds), .. } => {
                format!("{}; {}", self.usual_advice(definition, keys), pause(*seconds))
            }
            _ => self.usual_advice(definition, keys),
        }
    }

    fn usual_advice(&self, definition: &Definition, keys: &[&str]) -> String {
        let covers = &definition.covers;
        match self {
            _ if self.is_passing() => "the next run asks again".to_owned(),
            Self::Status { redirect: Some(_), .. }
            | Self::Reply(ReplyError::ApiError(_))
            | Self::Transport(_)
            | Self::NoTime
            | Self::CoolingDown { .. } => String::new(),
            Self::Status { status: 401 | 403, .. } if !keys.is_empty() => {
                format!("check {}, and what the plan allows", keys.join(" and "))
            }
            Self::Status { status: 401 | 403, .. } => match definition.secrets().into_keys().collect::<Vec<_>>()[..] {
                [] => "it refuses this machine or these symbols: use another provider".to_owned(),
                ref keys => format!("it may answer to a key in {}", keys.join(" and ")),
            },
            Self::Status { status: 400 | 404 | 422, text, .. } if !text.is_empty() && !covers.is_empty() => {
                format!("it covers {covers}")
            }
            Self::Status { status: 418 | 429, .. } | Self::LimitReached { .. } if definition.limits.is_empty() => {
                "ask less often".to_owned()
            }
            Self::Status { status: 418 | 429, .. } | Self::LimitReached { .. } => {
                format!("its limits: {}", definition.limits)
            }
            Self::Status { status: 451, .. } => "it does not serve this region: use another provider".to_owned(),
            Self::Status { .. } | Self::Reply(_) | Self::AllBad(_) => format!(
                "if this persists, the API may have changed: copy `datametrics providers {}` into your config and \
                 fix it there",
                definition.name
            ),
        }
    }
}

/// How long the provider asks to be left alone.
fn pause(seconds: u64) -> String {
    format!("it asks for {seconds} s without requests")
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Transport(error) => error.fmt(f),
            Self::Status { status, redirect: Some(host), .. } => {
                write!(f, "HTTP {status} to {host}, which is not followed: is base_url right?")
            }
            Self::Status { status, text, .. } if text.is_empty() => write!(f, "HTTP {status}"),
            Self::Status { status, text, .. } => write!(f, "HTTP {status}: {}", excerpt(text)),
            Self::Reply(ReplyError::ApiError(text)) => f.write_str(&excerpt(text.shown())),
            Self::LimitReached { text, .. } => f.write_str(&excerpt(text)),
            Self::Reply(error) => error.fmt(f),
            Self::CoolingDown { status, seconds_left } => {
                write!(f, "not asked for another {seconds_left} s: it asked for that with HTTP {status}")
            }
            Self::NoTime => f.write_str("no time was left to ask; a longer --timeout gives it some"),
            Self::AllBad(text) => {
                write!(f, "it refuses all symbols, together and each one alone: {}", excerpt(text))
            }
        }
    }
}

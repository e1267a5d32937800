//! Checks that no two runs can have one name: they would share state and health points.
//!
//! The name of a run is `all`, or the names of its feeds joined by `-`, and with `--shard` the index of the shard
//! after another `-`. So a feed `a-b` is like the feeds `a` and `b` together, and a feed `a-0` like the first
//! shard of `a`.

use super::defaults::is_own;
use rustc_hash::{FxHashMap, FxHashSet};
use std::collections::VecDeque;

/// So many beginnings of names are looked at. No sane config has a hundredth of them.
const MAX_STEPS: usize = 10_000;

/// Two runs whose names begin alike: that of `longer` goes on with a `-` and `rest`.
struct Beginning<'a> {
    longer: Vec<&'a str>,
    shorter: Vec<&'a str>,
    rest: &'a str,
}

/// Two runs with one name.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct SameName<'a> {
    /// The feed with the longest name of both, which looks like others.
    pub(super) feed: &'a str,
    /// What is wrong, as the end of a sentence that begins with a feed.
    pub(super) problem: String,
}

/// Finds two different runs with one name, of all runs that these feeds allow.
pub(super) fn find_same<'a>(feeds: &[&'a str]) -> Option<SameName<'a>> {
    let known: FxHashSet<&str> = feeds.iter().copied().collect();
    // For each text before a `-` in the name of a feed, the feed and what follows.
    let mut starts: FxHashMap<&str, Vec<(&str, &str)>> = FxHashMap::default();
    let mut queue = VecDeque::new();
    for &feed in feeds {
        if is_shard(feed) {
            // With any other feed.
            let other = feeds.iter().copied().find(|other| *other != feed)?;
            return Some(SameName::new(vec![other, feed], vec![other], Some(feed)));
        }
        for (start, rest) in splits(feed) {
            if known.contains(start) || start == "all" {
                queue.push_back(Beginning { longer: vec![feed], shorter: vec![start], rest });
            }
            starts.entry(start).or_default().push((feed, rest));
        }
    }
    for _ in 0..MAX_STEPS {
        let Beginning { longer, shorter, rest } = queue.pop_front()?;
        if is_shard(rest) {
            return Some(SameName::new(longer, shorter, Some(rest)));
        }
        if shorter == ["all"] {
            continue;
        }
        let with = |next| may_follow(&shorter, next).then(|| [&shorter[..], &[next]].concat());
        if let Some(shorter) = with(rest).filter(|_| known.contains(rest)) {
            return Some(SameName::new(longer, shorter, None));
        }
        for (start, rest) in splits(rest).filter(|(start, _)| known.contains(start)) {
            queue.extend(with(start).map(|shorter| Beginning { longer: longer.clone(), shorter, rest }));
        }
        for (feed, rest) in starts.get(rest).into_iter().flatten() {
            queue.extend(with(feed).map(|shorter| Beginning { longer: shorter, shorter: longer.clone(), rest }));
        }
    }
    None
}

/// Both sides of each `-` in a name.
fn splits(name: &str) -> impl Iterator<Item = (&str, &str)> {
    name.match_indices('-').map(|(at, _)| (&name[..at], &name[at + 1..]))
}

/// Whether a text can be the index of a shard.
fn is_shard(text: &str) -> bool {
    text.parse::<u32>().is_ok_and(|index| index < u32::MAX && index.to_string() == text)
}

/// Whether a run can have this feed after those. Each feed is there once, and `crypto` and `stocks` come first.
fn may_follow(feeds: &[&str], next: &str) -> bool {
    match next {
        "crypto" => feeds.is_empty(),
        "stocks" => feeds.is_empty() || feeds == ["crypto"],
        next => !feeds.contains(&next),
    }
}

impl<'a> SameName<'a> {
    fn new(one: Vec<&'a str>, other: Vec<&'a str>, shard: Option<&str>) -> Self {
        let name = one.join("-");
        let shard = shard.and_then(|index| index.parse::<u32>().ok());
        let shard = shard.map(|index| format!(" --shard {index}/{}", index + 1)).unwrap_or_default();
        let problem = format!(
            "`{}` and `{}{shard}` would both be the run {name}: choose another name",
            arguments(&one),
            arguments(&other)
        );
        let feed = [one, other].into_iter().flatten().filter(|feed| is_own(feed)).max_by_key(|feed| feed.len());
        Self { feed: feed.unwrap_or_default(), problem }
    }
}

/// The command line of a run of these feeds.
fn arguments(feeds: &[&str]) -> String {
    let argument = |feed: &&str| match *feed {
        "all" => "all".to_owned(),
        "crypto" | "stocks" => format!("--{feed}"),
        feed => format!("--feed {feed}"),
    };
    feeds.iter().map(argument).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(feeds: &[&str]) -> String {
        find_same(feeds).map(|same| same.problem).unwrap_or_default()
    }

    #[test]
    fn two_runs_with_one_name_are_found() {
        for (feeds, one, other) in [
            (&["crypto", "crypto-0"][..], "--feed crypto-0", "--crypto --shard 0/1"),
            (&["crypto", "all-7"], "--feed all-7", "all --shard 7/8"),
            (&["crypto", "7"], "--crypto --feed 7", "--crypto --shard 7/8"),
            (&["a", "b", "a-b"], "--feed a-b", "--feed a --feed b"),
            (&["a-b", "b", "a"], "--feed a-b", "--feed a --feed b"),
            (&["crypto", "stocks", "crypto-stocks"], "--feed crypto-stocks", "--crypto --stocks"),
            (&["a", "b", "c", "a-b-c"], "--feed a-b-c", "--feed a --feed b --feed c"),
            (&["a", "b", "a-b-0"], "--feed a-b-0", "--feed a --feed b --shard 0/1"),
            // No name is made of others.
            (&["a", "a-b", "b-c", "c"], "--feed a --feed b-c", "--feed a-b --feed c"),
            (&["a", "a-b", "b-0"], "--feed a --feed b-0", "--feed a-b --shard 0/1"),
            (&["a", "a-a"], "--feed a --feed a-a", "--feed a-a --feed a"),
            (&["b", "b-", "a", "-a"], "--feed b --feed -a", "--feed b- --feed a"),
        ] {
            let expected = [(one, other), (other, one)]
                .map(|(one, other)| format!("`{one}` and `{other}` would both be the run "));
            let problem = problem(feeds);
            assert!(expected.iter().any(|expected| problem.starts_with(expected)), "{feeds:?}: {problem}");
        }
    }

    #[test]
    fn names_that_no_other_run_can_have_are_allowed() {
        for feeds in [
            &["crypto", "stocks", "fx", "eu-shares", "us-shares", "coins-2", "a-0-b"][..],
            // Crypto and stocks come first in the name of a run.
            &["crypto", "stocks", "alt", "alt-crypto", "stocks-crypto"],
            &["crypto", "all-coins", "coins"],
            &["crypto", "crypto-00", "crypto-0x", "crypto-4294967295"],
            &["a", "a-b", "b-c"],
        ] {
            assert_eq!(find_same(feeds), None);
        }
    }

    /// All runs of all small sets of feeds.
    #[test]
    fn find_same_agrees_with_trying_every_run() {
        let all = ["crypto", "stocks", "a", "b", "a-b", "b-a", "a-0", "0", "crypto-a", "stocks-crypto", "all-0"];
        for mask in 0..1_u32 << all.len() {
            let feeds: Vec<&str> = (0..all.len()).filter(|at| mask >> at & 1 == 1).map(|at| all[at]).collect();
            if feeds.len() > 5 {
                continue;
            }
            let mut runs = vec![vec!["all"]];
            let mut ends: Vec<Vec<&str>> = vec![vec![]];
            while let Some(run) = ends.pop() {
                for next in feeds.iter().filter(|next| may_follow(&run, next)) {
                    ends.push([&run[..], &[*next]].concat());
                    runs.extend(ends.last().cloned());
                }
            }
            let mut names: Vec<String> = runs.iter().map(|run| run.join("-")).collect();
            names.extend((0..names.len()).map(|at| names[at].clone() + "-0").collect::<Vec<_>>());
            let count = names.len();
            names.sort_unstable();
            names.dedup();
            assert_eq!(find_same(&feeds).is_none(), names.len() == count, "{feeds:?}: {}", problem(&feeds));
        }
    }
}

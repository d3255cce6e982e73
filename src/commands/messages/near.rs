//! Names that somebody may have meant.

const MOST_NAMES: usize = 3;

/// Those that differ by little, or hold one another; the nearest first.
pub(super) fn nearest<'a>(meant: &str, names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let meant = meant.to_lowercase();
    // Of a short name little can be mistyped before it is another one.
    let most_typos = (meant.chars().count() / 3).max(1);
    let near = names.filter_map(|name| {
        let lower = name.to_lowercase();
        let typos = strsim::osa_distance(&meant, &lower);
        let holds = meant.len() > 2 && (lower.contains(&meant) || meant.contains(&lower));
        (holds || typos <= most_typos).then_some((typos, name))
    });
    let mut near: Vec<_> = near.collect();
    near.sort_unstable();
    near.into_iter().take(MOST_NAMES).map(|(_, name)| name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typos_and_parts_are_near_and_other_names_are_not() {
        let names = ["locations", "people", "person-commands", "person-outcomes", "person-profiles", "dead-letters"];
        let nearest = |meant| nearest(meant, names.into_iter());
        assert_eq!(nearest("location"), ["locations"]);
        assert_eq!(nearest("Loactions"), ["locations"]);
        assert_eq!(nearest("poeple"), ["people"]);
        assert_eq!(nearest("outcomes"), ["person-outcomes"]);
        assert_eq!(nearest("person"), ["person-commands", "person-outcomes", "person-profiles"]);
        assert_eq!(nearest("orders"), [""; 0]);
        assert_eq!(nearest("x"), [""; 0]);
    }
}

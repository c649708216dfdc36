//! Finds the valid word that a user probably meant.

/// The word that differs only in case, hyphens and underscores, or else the one with the fewest typing errors, of
/// which there may be two.
pub fn closest<'w>(written: &str, known: impl Iterator<Item = &'w str>) -> Option<&'w str> {
    let letters = |word: &str| word.replace(['_', '-'], "").to_lowercase();
    let wanted = letters(written);
    if wanted.chars().count() > 100 {
        return None;
    }
    let most = if wanted.chars().count() < 4 { 1 } else { 2 };
    let distances = known.map(|word| (distance(&wanted, &letters(word)), word));
    distances
        .filter(|(distance, _)| *distance <= most)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
}

/// How many letters have to be inserted, removed, replaced or swapped with their neighbour.
fn distance(one: &str, other: &str) -> usize {
    let (one, other): (Vec<_>, Vec<_>) = (one.chars().collect(), other.chars().collect());
    let mut rows = [Vec::new(), (0..=other.len()).collect::<Vec<_>>(), Vec::new()];
    for (row, letter) in one.iter().enumerate() {
        let mut next = vec![row + 1];
        for (column, against) in other.iter().enumerate() {
            let replaced = rows[1][column] + usize::from(letter != against);
            let mut least = replaced.min(rows[1][column + 1] + 1).min(next[column] + 1);
            let swapped = row > 0 && column > 0 && one[row - 1] == *against && other[column - 1] == *letter;
            if swapped {
                least = least.min(rows[0][column - 1] + 1);
            }
            next.push(least);
        }
        rows = [std::mem::take(&mut rows[1]), next, Vec::new()];
    }
    rows[1][other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typing_errors_are_counted() {
        let pairs =
            [("", "", 0), ("abc", "abc", 0), ("abc", "acb", 1), ("abc", "ab", 1), ("kitten", "sitting", 3)];
        for (one, other, count) in pairs {
            assert_eq!((distance(one, other), distance(other, one)), (count, count), "{one} {other}");
        }
    }

    #[test]
    fn the_closest_word_is_found_if_there_is_one() {
        let known = ["valkey_maxmemory_policy", "backup_hour", "plan", "tags"];
        let closest = |written| closest(written, known.into_iter());
        assert_eq!(closest("valkey_maxmemory_polcy"), Some("valkey_maxmemory_policy"));
        assert_eq!(closest("backupHour"), Some("backup_hour"));
        assert_eq!(closest("backup_huor"), Some("backup_hour"));
        assert_eq!(closest("PLAN"), Some("plan"));
        assert_eq!((closest("tgs"), closest("tga"), closest("unheardOf")), (Some("tags"), None, None));
    }
}

//! What the tests of this folder share.

/// PostgreSQL's binary form of a non-negative decimal number.
pub(super) fn numeric(text: &str) -> Vec<u8> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let whole = format!("{}{whole}", "0".repeat((4 - whole.len() % 4) % 4));
    let fraction = format!("{fraction}{}", "0".repeat((4 - fraction.len() % 4) % 4));
    let digits: Vec<i16> = format!("{whole}{fraction}")
        .as_bytes()
        .chunks(4)
        .map(|group| group.iter().fold(0, |sum, digit| sum * 10 + i16::from(digit - b'0')))
        .collect();
    let head = [digits.len(), whole.len() / 4 - 1, 0, fraction.len()];
    let head = head.into_iter().map(|n| i16::try_from(n).unwrap_or(0));
    head.chain(digits).flat_map(i16::to_be_bytes).collect()
}

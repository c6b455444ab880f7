//! Non-negative integers without a limit, as far as the recent average credit needs them.
//!
//! A credit weighs 2^(n/7) after n days, which passes 64-bit floats' range within decades and their
//! precision at once. Sums of such weights are kept exact in the database; reading one takes a
//! subtraction and a quotient, for which this is enough and a library would be too much.

use std::iter;

const BASE: u64 = 1_000_000_000;
const BASE_DIGITS: usize = 9;
/// Limbs that make up the leading part given to floats: at least 19 digits.
const LEADING_LIMBS: usize = 3;

/// Least significant limb first, without leading zeros.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Big(Vec<u32>);

fn limb(value: u64) -> u32 {
    // Only called with remainders of BASE.
    u32::try_from(value % BASE).unwrap_or(0)
}

impl Big {
    fn trimmed(mut limbs: Vec<u32>) -> Self {
        while limbs.last() == Some(&0) {
            limbs.pop();
        }
        Self(limbs)
    }

    /// Reads decimal text as a number of units of 10^-`scale`; `None` where it is not of that form.
    pub(super) fn parse(text: &str, scale: usize) -> Option<Self> {
        let (integer, fraction) = text.split_once('.').unwrap_or((text, ""));
        let fraction = fraction.trim_end_matches('0');
        let digits_only = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
        if integer.is_empty() || !digits_only(integer) || !digits_only(fraction) {
            return None;
        }
        let zeros = scale.checked_sub(fraction.len())?;
        let digits: Vec<u8> =
            integer.bytes().chain(fraction.bytes()).chain(iter::repeat_n(b'0', zeros)).collect();
        let limbs = digits
            .rchunks(BASE_DIGITS)
            .map(|chunk| limb(chunk.iter().fold(0, |n, d| n * 10 + u64::from(d - b'0'))))
            .collect();
        Some(Self::trimmed(limbs))
    }

    pub(super) fn from_u128(mut value: u128) -> Self {
        let mut limbs = Vec::new();
        while value > 0 {
            limbs.push(u32::try_from(value % u128::from(BASE)).unwrap_or(0));
            value /= u128::from(BASE);
        }
        Self(limbs)
    }

    pub(super) fn is_zero(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn pow2(exponent: u32) -> Self {
        (0..exponent).fold(Self::from_u128(1), |power, _| {
            let mut carry = 0;
            let mut limbs: Vec<u32> = power
                .0
                .iter()
                .map(|l| {
                    let doubled = u64::from(*l) * 2 + carry;
                    carry = doubled / BASE;
                    limb(doubled)
                })
                .collect();
            limbs.push(limb(carry));
            Self::trimmed(limbs)
        })
    }

    pub(super) fn times(&self, other: &Self) -> Self {
        let mut limbs = vec![0_u32; self.0.len() + other.0.len() + 1];
        for (shift, factor) in other.0.iter().enumerate() {
            let mut carry = 0;
            for (place, own) in
                limbs.iter_mut().skip(shift).zip(self.0.iter().copied().chain(iter::repeat(0)))
            {
                let sum = u64::from(own) * u64::from(*factor) + u64::from(*place) + carry;
                *place = limb(sum);
                carry = sum / BASE;
            }
        }
        Self::trimmed(limbs)
    }

    #[cfg(test)]
    pub(super) fn plus(&self, other: &Self) -> Self {
        let mut carry = 0;
        let length = self.0.len().max(other.0.len()) + 1;
        let own = self.0.iter().copied().chain(iter::repeat(0));
        let its = other.0.iter().copied().chain(iter::repeat(0));
        let sums = own.zip(its).take(length).map(|(own, its)| {
            let sum = u64::from(own) + u64::from(its) + carry;
            carry = sum / BASE;
            limb(sum)
        });
        Self::trimmed(sums.collect())
    }

    /// The difference, or nothing where it would be negative.
    pub(super) fn minus(&self, other: &Self) -> Option<Self> {
        if other.0.len() > self.0.len() {
            return None;
        }
        let mut borrow = 0;
        let limbs = self
            .0
            .iter()
            .zip(other.0.iter().copied().chain(iter::repeat(0)))
            .map(|(own, its)| {
                let left = u64::from(*own) + BASE - u64::from(its) - borrow;
                borrow = u64::from(left < BASE);
                limb(left)
            })
            .collect();
        (borrow == 0).then(|| Self::trimmed(limbs))
    }

    /// `(m, e)` so that the number is m·10^e to 16 digits at least.
    pub(super) fn leading(&self) -> (f64, i32) {
        let skipped = self.0.len().saturating_sub(LEADING_LIMBS);
        let mantissa = self.0.iter().skip(skipped).rev().fold(0.0, |m, l| m * 1e9 + f64::from(*l));
        (mantissa, i32::try_from(skipped * BASE_DIGITS).unwrap_or(i32::MAX))
    }

    /// The quotient as a float.
    pub(super) fn ratio(&self, divisor: &Self) -> f64 {
        let ((above, e), (below, f)) = (self.leading(), divisor.leading());
        if below == 0.0 { 0.0 } else { above / below * 10_f64.powi(e.saturating_sub(f)) }
    }
}

#[cfg(test)]
impl std::fmt::Display for Big {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut limbs = self.0.iter().rev();
        write!(f, "{}", limbs.next().unwrap_or(&0))?;
        limbs.try_for_each(|limb| write!(f, "{limb:09}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_is_exact() {
        let two_to_200 = "1606938044258990275541962092341162602522202993782792835301376";
        assert_eq!(Big::pow2(200).to_string(), two_to_200);
        assert_eq!(Big::pow2(120).times(&Big::pow2(80)), Big::pow2(200));
        let difference = Big::pow2(200).minus(&Big::from_u128(1)).expect("positive");
        assert!(difference.to_string().ends_with("1375"));
        assert_eq!(Big::from_u128(1).minus(&Big::from_u128(2)), None);
        assert_eq!(Big::from_u128(u128::MAX).minus(&Big::from_u128(u128::MAX)), Some(Big(vec![])));
        let largest = u128::MAX.to_string();
        assert_eq!(Big::parse(&largest, 0), Some(Big::from_u128(u128::MAX)));
        assert_eq!(Big::parse("150.50", 3).expect("valid").to_string(), "150500");
        for bad in ["", "-1", "1.2345", "1e5", "x"] {
            assert_eq!(Big::parse(bad, 3), None, "{bad}");
        }
        assert!((Big::pow2(4_000).ratio(&Big::pow2(3_990)) - 1024.0).abs() < 1e-9);
    }
}

//! A tiny seeded generator. SplitMix64 is enough for test data, ten times faster than a
//! cryptographic one, and its mixing step can be inverted: that lets block hashes,
//! transaction ids and addresses be looked up without storing any of them.

const GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;

/// Scrambles 64 bits; a bijection.
pub(crate) fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The inverse of [`mix`].
pub(crate) fn unmix(mut z: u64) -> u64 {
    z = (z ^ (z >> 31) ^ (z >> 62)).wrapping_mul(0x3196_42b2_d24d_8ec3);
    z = (z ^ (z >> 27) ^ (z >> 54)).wrapping_mul(0x96de_1b17_3f11_9089);
    z ^ (z >> 30) ^ (z >> 60)
}

/// A stream of numbers that depends only on the parts it was made from.
#[derive(Clone, Debug)]
pub(crate) struct Rng(u64);

impl Rng {
    /// Every part matters, and so does their order.
    pub(crate) fn new(parts: &[u64]) -> Rng {
        Rng(parts.iter().fold(GAMMA, |state, part| {
            mix(state.wrapping_add(GAMMA) ^ mix(part.wrapping_add(GAMMA)))
        }))
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(GAMMA);
        mix(self.0)
    }

    /// Uniform in `0..bound`; 0 when the bound is 0.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(bound)) >> 64) as u64
    }

    /// True once in `n` on average; never when `n` is 0.
    pub(crate) fn one_in(&mut self, n: u64) -> bool {
        n != 0 && self.below(n) == 0
    }

    /// Uniform in `0.0..1.0`.
    pub(crate) fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    pub(crate) fn fill(&mut self, out: &mut [u8]) {
        for chunk in out.chunks_mut(8) {
            chunk.copy_from_slice(&self.next().to_be_bytes()[..chunk.len()]);
        }
    }

    /// One of the items; the slice must not be empty.
    pub(crate) fn pick<T: Copy>(&mut self, items: &[T]) -> T {
        items[to_index(self.below(items.len() as u64))]
    }
}

/// A 64-bit count as an index; saturates where `usize` is narrower.
pub(crate) fn to_index(value: u64) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unmix_inverts_mix() {
        let mut rng = Rng::new(&[7]);
        for _ in 0..1000 {
            let value = rng.next();
            assert_eq!(unmix(mix(value)), value);
        }
    }
}

//! Random numbers that are the same on every machine and in every run.

/// A generator (Marsaglia's xorshift64*): small, seeded, good enough to
/// simulate logs.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// Starts from a seed; any seed will do.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        // Neighbouring seeds must not give neighbouring streams (SplitMix64).
        let mut state = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        Self((state ^ (state >> 31)) | 1)
    }

    /// Starts from a name and a seed, so that what is simulated under one name
    /// does not change when another is added.
    #[must_use]
    pub fn named(name: &str, seed: u64) -> Self {
        let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325, step);
        Self::new(hash ^ seed.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// Uniform in [0, 1).
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// True with the given chance.
    pub fn chance(&mut self, chance: f64) -> bool {
        self.unit() < chance
    }

    /// Uniform in [0, n); 0 for n = 0.
    pub fn below(&mut self, n: u64) -> u64 {
        ((u128::from(self.bits()) * u128::from(n)) >> 64) as u64
    }

    /// Uniform in 1..=n, as a number of times.
    pub fn times(&mut self, n: u32) -> i64 {
        1 + i64::from(self.below(n.into()) as u32)
    }

    /// Uniform in [low, high).
    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        low + self.unit() * (high - low)
    }

    /// Exponential with the given mean: the gap to the next event of a Poisson
    /// process.
    pub fn gap(&mut self, mean: f64) -> f64 {
        -mean * (1.0 - self.unit()).ln()
    }

    /// Log-normal with the given median and spread σ: durations.
    pub fn log_normal(&mut self, median: f64, sigma: f64) -> f64 {
        // Box–Muller; one of the two normals is enough.
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        let normal = radius * (std::f64::consts::TAU * self.unit()).cos();
        median * (sigma * normal).exp()
    }

    /// One of them.
    ///
    /// # Panics
    /// When there are none.
    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len() as u64) as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_numbers_and_another_others() {
        let first = |seed| Random::named("web", seed).bits();
        assert_eq!(first(1), first(1));
        assert_ne!(first(1), first(2));
        assert_ne!(first(1), Random::named("java", 1).bits());
    }

    #[test]
    fn numbers_are_where_they_should_be() {
        let mut random = Random::new(3);
        let n = 20_000;
        let (mut units, mut gaps, mut below) = (0.0, 0.0, [0_u32; 5]);
        let mut durations: Vec<f64> = Vec::new();
        for _ in 0..n {
            units += random.unit();
            gaps += random.gap(4.0);
            below[random.below(5) as usize] += 1;
            durations.push(random.log_normal(30.0, 0.5));
        }
        assert!((units / f64::from(n) - 0.5).abs() < 0.01);
        assert!((gaps / f64::from(n) - 4.0).abs() < 0.1);
        assert!(
            below.iter().all(|count| (3_700..4_300).contains(count)),
            "{below:?}"
        );
        durations.sort_by(f64::total_cmp);
        assert!((durations[n as usize / 2] - 30.0).abs() < 0.6);
    }
}

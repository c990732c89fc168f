//! Logistic regression with few features, by Newton's method.

/// Newton steps at most; it settles in far fewer.
const MAX_STEPS: usize = 50;
/// Change of all coefficients below which it has settled.
const SETTLED: f64 = 1e-9;
/// Ridge on every coefficient but the intercept: cases that a feature separates
/// cleanly would otherwise make it endless.
const RIDGE: f64 = 1.0;

/// Coefficients, the intercept first.
#[derive(Clone, Debug, PartialEq)]
pub struct Model<const N: usize> {
    /// Log odds where every feature is 0.
    pub intercept: f64,
    /// Log odds for each unit of a feature.
    pub slopes: [f64; N],
}

impl<const N: usize> Model<N> {
    /// The chance of yes.
    #[must_use]
    pub fn chance(&self, features: &[f64; N]) -> f64 {
        let terms = self
            .slopes
            .iter()
            .zip(features)
            .map(|(slope, value)| slope * value);
        1.0 / (1.0 + (-(self.intercept + terms.sum::<f64>())).exp())
    }

    /// Fits to cases: features, and whether it was yes.
    #[must_use]
    pub fn fit(cases: &[([f64; N], bool)]) -> Self {
        let size = N + 1;
        let mut weights = vec![0.0; size];
        for _ in 0..MAX_STEPS {
            let model = Self::of(&weights);
            let mut gradient = vec![0.0; size];
            let mut hessian = vec![vec![0.0; size]; size];
            for place in 1..size {
                gradient[place] = RIDGE * weights[place];
                hessian[place][place] = RIDGE;
            }
            for (features, yes) in cases {
                let chance = model.chance(features);
                let error = chance - f64::from(u8::from(*yes));
                let spread = (chance * (1.0 - chance)).max(1e-9);
                let mut values = vec![1.0];
                values.extend(features);
                for (row, value) in values.iter().enumerate() {
                    gradient[row] += error * value;
                    for (cell, other) in hessian[row].iter_mut().zip(&values) {
                        *cell += spread * value * other;
                    }
                }
            }
            let step = solve(hessian, gradient);
            for (weight, step) in weights.iter_mut().zip(&step) {
                *weight -= step;
            }
            if step.iter().all(|step| step.abs() < SETTLED) {
                break;
            }
        }
        Self::of(&weights)
    }

    fn of(weights: &[f64]) -> Self {
        Self {
            intercept: weights[0],
            slopes: std::array::from_fn(|place| weights[place + 1]),
        }
    }
}

/// Solves a small system by Gaussian elimination with partial pivoting.
fn solve(mut matrix: Vec<Vec<f64>>, mut right: Vec<f64>) -> Vec<f64> {
    let size = right.len();
    for column in 0..size {
        let pivot = (column..size)
            .max_by(|a, b| {
                matrix[*a][column]
                    .abs()
                    .total_cmp(&matrix[*b][column].abs())
            })
            .unwrap_or(column);
        matrix.swap(column, pivot);
        right.swap(column, pivot);
        if matrix[column][column].abs() < 1e-12 {
            continue;
        }
        let (done, rest) = matrix.split_at_mut(column + 1);
        let pivot = &done[column];
        for (offset, row) in rest.iter_mut().enumerate() {
            let factor = row[column] / pivot[column];
            for (cell, above) in row.iter_mut().zip(pivot) {
                *cell -= factor * above;
            }
            right[column + 1 + offset] -= factor * right[column];
        }
    }
    for row in (0..size).rev() {
        let known: f64 = (row + 1..size)
            .map(|place| matrix[row][place] * right[place])
            .sum();
        right[row] = if matrix[row][row].abs() < 1e-12 {
            0.0
        } else {
            (right[row] - known) / matrix[row][row]
        };
    }
    right
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    #[test]
    fn known_coefficients_are_found_again() {
        let truth = Model {
            intercept: -1.0,
            slopes: [2.0, -0.5],
        };
        let mut random = Random::new(4);
        let cases: Vec<_> = (0..20_000)
            .map(|_| {
                let features = [random.between(-1.0, 2.0), random.between(-3.0, 3.0)];
                (features, random.chance(truth.chance(&features)))
            })
            .collect();
        let found = Model::fit(&cases);
        assert!((found.intercept + 1.0).abs() < 0.1, "{found:?}");
        assert!((found.slopes[0] - 2.0).abs() < 0.1, "{found:?}");
        assert!((found.slopes[1] + 0.5).abs() < 0.1, "{found:?}");
    }

    #[test]
    fn cases_without_a_no_give_no_nonsense() {
        let cases: Vec<_> = (0..50).map(|n| ([f64::from(n)], true)).collect();
        let chance = Model::fit(&cases).chance(&[10.0]);
        assert!(chance > 0.9 && chance <= 1.0, "{chance}");
    }
}

//! The numbers in a verdict's message, held against what was injected.

/// `+39.4 pp errors (123/312 requests, stable 0/936)`, taken apart.
#[derive(Debug)]
struct Difference {
    points: f64,
    canary: Share,
    stable: Share,
}

#[derive(Clone, Copy, Debug)]
struct Share {
    part: f64,
    whole: f64,
}

impl Share {
    fn percent(self) -> f64 {
        100.0 * self.part / self.whole
    }

    fn parse(text: &str) -> Option<Self> {
        let (part, whole) = text.split_once('/')?;
        let number = |text: &str| text.replace(',', "").parse().ok();
        Some(Self {
            part: number(part)?,
            whole: number(whole)?,
        })
    }
}

fn difference(message: &str) -> Option<Difference> {
    let (before, after) = message.split_once(" pp ")?;
    let points = before.rsplit(' ').next()?;
    let (_, numbers) = after.split_once('(')?;
    let (numbers, _) = numbers.split_once(')')?;
    let (canary, stable) = numbers.split_once(", stable ")?;
    Some(Difference {
        points: points.parse().ok()?,
        canary: Share::parse(canary.split_whitespace().next()?)?,
        stable: Share::parse(stable.split_whitespace().next()?)?,
    })
}

/// What is wrong with a message's numbers, where so many percent of errors were
/// injected into the canary and none into stable; by chance they differ by four
/// standard deviations at most.
pub fn wrong(message: &str, injected_percent: f64) -> Option<String> {
    let Some(found) = difference(message) else {
        return Some(format!("no numbers in {message:?}"));
    };
    let share = injected_percent / 100.0;
    let deviation = 100.0 * (share * (1.0 - share) / found.canary.whole).sqrt();
    let percent = found.canary.percent();
    if (percent - injected_percent).abs() > 4.0 * deviation + 0.1 {
        return Some(format!(
            "{percent:.1} % is not {injected_percent} %: {message}"
        ));
    }
    if (found.points - (percent - found.stable.percent())).abs() > 0.06 {
        return Some(format!(
            "the points are no difference of the shares: {message}"
        ));
    }
    if found.stable.part != 0.0 || found.stable.whole == 0.0 {
        return Some(format!("stable had traffic and no errors: {message}"));
    }
    None
}

#[test]
fn numbers_that_do_not_fit_are_found() {
    let message = "canary aborted: +20.0 pp 5xx responses (60/300 requests, stable 0/1,200), x";
    assert_eq!(wrong(message, 20.0), None);
    assert!(wrong(message, 40.0).is_some());
    assert!(wrong(&message.replace("+20.0", "+21.0"), 20.0).is_some());
    assert!(wrong(&message.replace("stable 0", "stable 3"), 20.0).is_some());
    assert!(wrong("canary aborted: OOMKilled", 20.0).is_some());
}

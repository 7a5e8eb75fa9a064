//! Stop: may permits of a class go on here at this time? One answer for gate and controller.
//!
//! A freeze stops what it does not let through. What lies in a configuration that cannot be read may be one: until it
//! can, only emergencies go on. Does not know calendars, nor which freezes are in force.

use super::config::Frozen;
use crate::api::vocabulary::TemplateClass;

/// What stops a class of permits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop<'a> {
    /// The configuration cannot be used, for this reason.
    Unsound(&'a str),
    /// A freeze that does not let the class through.
    Freeze(&'a Frozen),
}

/// What stops permits of this class, if anything does.
pub fn stop<'a>(
    frozen: &'a [Frozen],
    unsound: Option<&'a String>,
    class: TemplateClass,
) -> Option<Stop<'a>> {
    if let Some(why) = unsound.filter(|_| class != TemplateClass::Emergency) {
        return Some(Stop::Unsound(why));
    }
    let mut stopping = frozen.iter().filter(|freeze| !freeze.lets.contains(&class));
    stopping.next().map(Stop::Freeze)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_read_stops_all_but_emergencies_and_a_freeze_what_it_does_not_let_through() {
        let (standard, emergency) = (TemplateClass::Standard, TemplateClass::Emergency);
        let (open, shut) = (
            Frozen::after_unpermitted("x"),
            Frozen {
                lets: Vec::new(),
                ..Frozen::after_unpermitted("y")
            },
        );
        let why = "freezes[0]".to_owned();
        assert_eq!(stop(&[], None, standard), None);
        assert_eq!(stop(&[], Some(&why), standard), Some(Stop::Unsound(&why)));
        let both = [open.clone()];
        assert_eq!(stop(&both, Some(&why), emergency), None);
        assert_eq!(stop(&both, None, standard), Some(Stop::Freeze(&both[0])));
        let all = [open, shut];
        assert_eq!(
            stop(&all, Some(&why), emergency),
            Some(Stop::Freeze(&all[1]))
        );
    }
}

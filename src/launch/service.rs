//! What the unit of a build's service has beyond that of a step.

use crate::order::ServiceOrder;
use crate::systemd::Property;

/// Asks until the answer is yes, the service is gone, or systemd's patience is over; then it tells the last answer.
/// The command is `$0`.
const ASK: &str = r#"trap 'printf "%s\n" "not ready: $said"; exit 1' TERM
while kill -0 "$MAINPID" 2>/dev/null; do
    if said=$(sh -ec "$0" 2>&1); then exit 0; fi
    sleep 0.1
done
exit 1"#;

/// systemd counts the unit as starting until it is ready, and has it fail when it is not in time.
pub(super) fn properties(order: &ServiceOrder) -> Vec<Property> {
    let mut properties = vec![Property::timeout_start(order.ready_timeout)];
    if let Some(ready) = &order.ready {
        let arguments = ["-c".to_owned(), ASK.to_owned(), ready.clone()];
        properties.push(Property::exec_start_post_inside("/bin/sh", &arguments));
    }
    properties
}

/// With the network and IPC namespaces of this unit, which must have such of its own: one that had none would draw
/// this one out of its own into the machine's.
pub(super) fn beside(unit: &str) -> Property {
    Property::joins_namespace_of(&[unit])
}

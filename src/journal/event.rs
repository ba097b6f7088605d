//! The kinds of messages, each with an id that never changes, as systemd.journal-fields(7) wants for `MESSAGE_ID=`.

macro_rules! events {
    ($($(#[$doc:meta])* $name:ident = $id:literal,)*) => {
        /// A kind of message. Its id was made by `systemd-id128 new` and stays with its meaning for ever.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Event { $($(#[$doc])* $name,)* }

        impl Event {
            /// All of them.
            pub const ALL: &'static [Event] = &[$(Event::$name),*];

            /// 32 lower-case hexadecimal digits.
            pub fn message_id(self) -> &'static str {
                match self { $(Event::$name => $id,)* }
            }
        }
    };
}

events! {
    /// A remote could not be asked or read.
    PollFailed = "ba761a23e93149e9bf52783982068423",
    /// It can be asked again.
    PollRecovered = "28a7ed32a9aa4650aca28e301a68e9e4",
    /// More refs from outside have changed than are queued at once.
    OutsideLeft = "6471532547474835a3e82b44ed69a01a",
    /// A build is wanted.
    RequestQueued = "f48ad7237a264fe295f6d1cbc31fadad",
    /// A person agreed to the build of a commit from outside.
    RequestApproved = "cb6d21cfd1b84f138213de18c40d362c",
    /// A newer request took the place of a waiting one.
    RequestReplaced = "179dbf74557f40579642c2991a26fdc0",
    /// A build has begun.
    BuildStarted = "95ab6643dec340779377f6625563fa63",
    /// A build has its verdict.
    BuildFinished = "903f27b590f245ddbd2f116f0dcaad54",
    /// A step has begun.
    StepStarted = "caa0da8b9d3f41d38c45f4032d733db9",
    /// A step has its verdict.
    StepFinished = "08f29853054147eeaca860fd56ad8c6c",
    /// Lines that a step printed, or how many are in its log only.
    StepOutput = "839edcf4a7214dd6948f4c79a34683bb",
    /// A deploy has begun.
    DeployStarted = "29d890bdb3d240f5a43a0a9b98a402e4",
    /// A build is live.
    Deployed = "531f13b2cc3d45e7b6274901dd624b8f",
    /// A deploy failed and the release before it is live again, or one was rolled back by a person.
    RolledBack = "c985d5cbf11342d6b45c3c53811d7e97",
    /// A deploy failed and the release before it does not run either.
    DeployFailedDown = "6793d2af00584232839998295cab3196",
    /// A deploy failed before anything was switched; what was live still is.
    DeployFailed = "f08c9385faf4444f98603f8a838f5095",
    /// A deploy was not begun: a newer build is live, or a person has rolled back from its commit meanwhile.
    DeploySkipped = "f1f1e369ae2d4551a8b990b154baa73a",
    /// Nothing new goes live on a target until a moment has come.
    TargetFrozen = "1c0fa03990024faab1f81e30efdc4f36",
    /// That moment has come, or a person has not waited for it.
    TargetThawed = "c5ae41bf11d14836824be2df2892d3bd",
    /// What was on a deploy target before unitci is a release.
    Adopted = "fb5ee44e52624688af179d1c2a723ee1",
    /// A configuration file cannot be used.
    ConfigBroken = "d7e85bc5112d4186a3f760780be1b0ec",
    /// A mail could not be handed to the mail system.
    MailFailed = "4c903e11709f40218c109d9204ec751d",
    /// A build ended because the machine did.
    MachineWentDown = "2be9bbe652ef46468d45d99a51733485",
    /// No build starts for want of memory, or there is memory again.
    MemoryShort = "c05010808f684769bf3d34ccb78a95c0",
    /// HOME and cache of a project were emptied.
    CacheEmptied = "378477dbeda645eb9b444e2f10c28661",
    /// Entries of HOME and cache of a project were removed: they were larger than they may be.
    CacheTrimmed = "8dc6ec3a426d43a698a6e179b9beb4e0",
    /// A running step was taken over from a supervisor that is gone.
    TakenOver = "0b34ec26361e4d45a5f4892f5b82bc43",
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn ids_are_128_bits_of_hexadecimal_and_unique() {
        for event in Event::ALL {
            let id = event.message_id();
            assert!(id.len() == 32 && id.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')), "{event:?}");
            // A random (version 4, variant 1) id, as systemd-id128 makes them.
            assert!(id.as_bytes()[12] == b'4' && b"89ab".contains(&id.as_bytes()[16]), "{event:?}");
        }
        let ids: HashSet<&str> = Event::ALL.iter().map(|event| event.message_id()).collect();
        assert_eq!(ids.len(), Event::ALL.len());
    }
}

//! What runs of the library log. Tests run side by side in one process, which has one logger, so each thread
//! has a sink of its own.

use super::lock;
use log::{Level, LevelFilter, Log, Metadata, Record};
use std::{
    cell::RefCell,
    sync::{Arc, Mutex, Once},
};

/// The messages of some threads, in order.
#[derive(Clone, Debug)]
pub(crate) struct Messages {
    level: LevelFilter,
    messages: Arc<Mutex<Vec<(Level, String)>>>,
}

impl Messages {
    /// Keeps messages of this level and of graver ones.
    pub(crate) fn new(level: LevelFilter) -> Self {
        static INSTALLED: Once = Once::new();
        INSTALLED.call_once(|| {
            log::set_logger(&ThreadLogger).expect("no other logger in this process");
            log::set_max_level(LevelFilter::Info);
        });
        Self { level, messages: Arc::default() }
    }

    /// From now on the messages of this thread go here.
    pub(crate) fn capture(&self) {
        SINK.set(Some(self.clone()));
    }

    /// The messages so far, which are forgotten here.
    pub(crate) fn take(&self) -> Vec<(Level, String)> {
        std::mem::take(&mut lock(&self.messages))
    }
}

thread_local! {
    static SINK: RefCell<Option<Messages>> = const { RefCell::new(None) };
}

struct ThreadLogger;

impl Log for ThreadLogger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        SINK.with_borrow(|sink| sink.as_ref().is_some_and(|sink| metadata.level() <= sink.level))
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            let message = (record.level(), record.args().to_string());
            SINK.with_borrow(|sink| sink.iter().for_each(|sink| lock(&sink.messages).push(message.clone())));
        }
    }

    fn flush(&self) {}
}

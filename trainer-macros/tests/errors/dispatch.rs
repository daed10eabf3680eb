use trainer_macros::dispatch;

#[dispatch]
pub trait Constant {
    const NAME: &'static str;
}

#[dispatch]
pub trait Static {
    fn make() -> u32;
}

#[dispatch]
pub trait Relative {
    async fn get(&self) -> Result<crate::Job, ()>;
}

fn main() {}

//! Addresses that want a permission: a handler names it in its arguments.

use std::marker::PhantomData;
use std::ops::Deref;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use domain::role::Permission;

use super::Staff;
use crate::app::App;
use crate::error::ApiError;

/// A permission as a type.
pub trait Need: Send + Sync + 'static {
    /// Which.
    const PERMISSION: Permission;
}

macro_rules! needs {
    ($($name:ident),* $(,)?) => {$(
        /// The permission of this name.
        #[derive(Debug, Clone, Copy)]
        pub struct $name;

        impl Need for $name {
            const PERMISSION: Permission = Permission::$name;
        }
    )*};
}

needs!(
    SeePlayers,
    SeePersonalData,
    Grant,
    Ban,
    EditShop,
    EditEvents,
    SettlePayments,
    Approve,
    EditInvites,
    EditRoles,
    ReadAudit,
    SendMail,
    WriteNotes,
    EditPlayers,
    ErasePlayers,
    Announce,
);

/// One of the staff who may do this.
#[derive(Debug, Clone, Copy)]
pub struct May<N>(Staff, PhantomData<N>);

impl<N> Deref for May<N> {
    type Target = Staff;
    fn deref(&self) -> &Staff {
        &self.0
    }
}

impl<N: Need> FromRequestParts<App> for May<N> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let staff = Staff::from_request_parts(parts, app).await?;
        staff.insist_on(N::PERMISSION)?;
        Ok(Self(staff, PhantomData))
    }
}

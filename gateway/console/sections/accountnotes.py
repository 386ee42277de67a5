"""Above every page: one's rights changed (ACC-12), an account one administers was lost (ACC-02)."""

from gateway.console.pages import BASE, Banner, Say
from gateway.domain.access import Person
from gateway.ports.accounts import Own


async def banners(own: Own, person: Person | None) -> tuple[Banner, ...]:
    """Return what this person must be told."""
    if person is None or not person.account_id:
        return ()
    notes = await own.notes(person)
    found = [
        Banner(
            Say(
                f"Tài khoản {login} báo mất quyền kiểm soát và đã bị khóa",
                f"{login} reported the loss of the account: it is locked",
            ),
            "bad",
            f"{BASE}/people/{account_id}",
        )
        for account_id, login in notes.lost
    ]
    if notes.rights_changed:
        changed = Say(
            "Quyền của bạn đã thay đổi: hãy xem và xác nhận",
            "Your rights have changed: look and confirm",
        )
        found.append(Banner(changed, "doubt", f"{BASE}/account"))
    return tuple(found)

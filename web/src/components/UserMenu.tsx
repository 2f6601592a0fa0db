import { ActionIcon, Menu } from "@mantine/core";
import { Link, useLocation } from "wouter";
import { type User, useSignOut } from "../api/session";
import { useTexts } from "../app/language";
import { Icon } from "./Icon";

export function UserMenu({ user }: { user: User }) {
  const { common, account } = useTexts();
  const signOut = useSignOut();
  const [, go] = useLocation();
  return (
    <Menu position="bottom-end" width={220}>
      <Menu.Target>
        <ActionIcon variant="default" size="lg" radius="xl" aria-label={common.yourAccount}>
          <Icon name="person" />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Label>{user.display_name ?? user.email}</Menu.Label>
        <Menu.Item component={Link} href="/account">
          {account.title}
        </Menu.Item>
        <Menu.Item onClick={() => signOut.mutate(undefined, { onSuccess: () => go("/") })}>
          {common.signOut}
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}

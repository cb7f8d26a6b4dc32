"""What is wrong with this installation: each check looks at one thing and names the cure."""

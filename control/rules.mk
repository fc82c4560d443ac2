# control/model is a library (userspace/rules.mk); nothing else is built here yet.
